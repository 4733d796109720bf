"""Evaluations: suites, items, graders, scores of nights, and what a gate says of them. Pure."""
