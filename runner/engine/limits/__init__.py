"""What the limiter needs to know: the team, its limits, the buckets of models, and recent sends."""
