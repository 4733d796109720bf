"""Change runs, teams and workers while they are at work."""
