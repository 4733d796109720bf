"""Readers of items, one for each form that a file of items may have."""
