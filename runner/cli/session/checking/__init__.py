"""Read an input and estimate it, for `check`: nothing is stored or sent."""
