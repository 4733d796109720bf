"""Recipes: files and flags that say which rows of a table become requests, and how. Pure."""
