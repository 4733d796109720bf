"""Workers, events, and what `doctor` found."""
