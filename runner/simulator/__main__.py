"""`python -m runner.simulator`: the simulator alone, quick to start."""

from __future__ import annotations

from runner.simulator.command import command

command(prog_name="python -m runner.simulator")
