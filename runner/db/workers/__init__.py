"""Workers, the leases that they hold, and what they leave behind."""
