"""`runner simulate`: the same command as `python -m runner.simulator`."""

from __future__ import annotations

from runner.simulator.command import command

__all__ = ["command"]
