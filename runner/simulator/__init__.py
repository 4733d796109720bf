"""A local server that speaks the xAI API. It imports nothing of the rest of runner."""
