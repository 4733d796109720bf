"""Files and lines that are no jobs: what they are, and the command that reads them. Pure."""
