"""Intake: job files become rows, all of them or none."""
