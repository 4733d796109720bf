"""Recipes and the tables that they label."""
