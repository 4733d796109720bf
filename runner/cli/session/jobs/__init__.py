"""Choose jobs of a run: list them, or send them again."""
