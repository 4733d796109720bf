"""Sending: from a pending job to a request id."""
