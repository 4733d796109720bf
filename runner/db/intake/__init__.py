"""What loading writes: jobs, rows of tables, and the bytes that jobs share."""
