"""Runs: lists, status, progress, costs, and what a command changed of one."""
