"""Names for the completion of a shell."""
