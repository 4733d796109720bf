"""Recipes: files and flags that say how a table becomes requests. Pure."""
