"""Converts lines of other batch services into job lines: a file for each form of a body. Pure."""
