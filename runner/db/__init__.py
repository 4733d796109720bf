"""The database: the only truth. All SQL stands here."""
