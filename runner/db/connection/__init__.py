"""Connections to SQLite and PostgreSQL: how they are made, checked and cut, and what their errors mean."""
