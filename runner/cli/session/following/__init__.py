"""Follow runs: read their state, show it, and stop at a signal."""
