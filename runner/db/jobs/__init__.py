"""Jobs and rows as people and files read them: by page, group, example or history."""
