"""The xAI API on localhost, as strict as the real one. It imports nothing of the rest of runner."""
