"""The rules: pure decisions. No I/O, no clock, no chance, no environment; those come in as arguments."""
