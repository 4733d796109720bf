"""Storing: the group commit, the spool, and the room on the disk."""
