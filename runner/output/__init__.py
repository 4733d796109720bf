"""Output: rows become files, whole or not at all."""
