"""Pure decisions: no I/O, no clock, no randomness, no environment. All of those come in as arguments."""
