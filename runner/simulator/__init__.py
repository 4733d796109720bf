"""A local server with the xAI API. It imports nothing of the rest of runner."""
