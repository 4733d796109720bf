"""Addresses of the API, of databases and of Redis, and what their errors mean to a person. Pure."""
