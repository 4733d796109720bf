"""The statistics of evaluations, in plain Python. Pure."""
