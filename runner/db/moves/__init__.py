"""Moves of jobs from state to state: guarded UPDATEs, with their attempts."""
