"""The I/O of commands: settings, database, engine, signals, loading, following."""
