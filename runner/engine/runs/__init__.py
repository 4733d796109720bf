"""Runs at work: which there are, what pauses them, and when they are complete."""
