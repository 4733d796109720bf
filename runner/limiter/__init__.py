"""Rate limiter shared by all workers of a team. Its state is in Valkey or Redis."""
