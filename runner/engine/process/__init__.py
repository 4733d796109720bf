"""The process of a worker: its loop, its heartbeat, and what watches over both."""
