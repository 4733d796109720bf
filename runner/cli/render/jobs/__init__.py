"""Jobs of a run: lists, the story of one, and failures in groups."""
