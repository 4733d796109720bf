"""Evaluations: scores of answers, compared item by item. Knows no database and no API."""
