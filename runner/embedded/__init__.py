"""Embedded use: one state folder, and one engine process with its own Valkey and workers."""
