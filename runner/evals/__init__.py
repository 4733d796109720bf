"""Evaluations: suites and their items, job lines of a night, and scores compared item by item."""
