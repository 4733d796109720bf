"""What `check`, `convert` and `sample` found in an input."""
