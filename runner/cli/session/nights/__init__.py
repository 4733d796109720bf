"""Nights of a suite: measure, find, compare and grade them."""
