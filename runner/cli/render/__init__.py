"""Values in, lines out. Pure: no database, no files, no clock, no network."""
