"""What a reply of the API, or none, means, and what follows it. Pure."""
