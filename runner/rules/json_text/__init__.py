"""JSON read strictly, with the place of each fault, and every other byte left as it was written. Pure."""
