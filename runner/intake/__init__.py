"""Intake: job files become rows of the database, all lines of a file or none."""
