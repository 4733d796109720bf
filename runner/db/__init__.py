"""The database, the only truth about runs and jobs. All SQL is in this package."""
