"""Runs: create, find, start, change and remove them, and read all that is shown of one."""
