"""Grading of answers: graders here and in processes of their own, on a measurement, on trial, from a file."""
