"""`python -m runner.simulator`: start the simulator without the rest of runner."""

from __future__ import annotations

from runner.simulator.command import command

command(prog_name="python -m runner.simulator")
