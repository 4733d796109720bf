"""Client of the xAI API."""
