"""Nights of a suite: reports, history and comparisons."""
