"""What the limiter is told: the team, its limits, the buckets of models, and what was sent lately."""
