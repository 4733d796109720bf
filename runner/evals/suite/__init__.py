"""Suites and their items: read, checked, and turned to requests."""
