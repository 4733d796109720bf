"""Storing: the group commit, the spool, and the disk space."""
