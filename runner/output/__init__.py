"""Output: rows of the database become files, each written whole or not at all."""
