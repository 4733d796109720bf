"""Answers, byte for byte, and replies that were none."""
