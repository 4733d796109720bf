"""Collecting: from a request id to a stored, settled answer."""
