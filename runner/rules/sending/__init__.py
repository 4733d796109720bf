"""What is sent next, how fast, when its answer is asked for, and when a run pauses. Pure."""
