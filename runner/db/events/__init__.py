"""Events: what happened to a run, and who changed what."""
