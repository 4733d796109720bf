"""Load inputs, start runs, and work until they end."""
