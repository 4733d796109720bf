"""The door to the xAI API."""
