"""What a command does with the world: settings, database, engine, signals, loading, following."""
