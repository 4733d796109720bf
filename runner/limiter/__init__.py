"""The rate limiter that all workers of a team share, in Valkey or Redis."""
