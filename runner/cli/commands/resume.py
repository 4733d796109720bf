"""`runner resume RUN`: go on with a paused run, maybe with other limits."""

from __future__ import annotations

from typing import Any

import click

from runner.cli import flags
from runner.cli.commands.start import start


@click.command("resume", short_help="Go on with a paused run, maybe with other limits.")
@flags.run_argument
@click.option("--limit", type=flags.Rate(), help="Start at most N jobs of the file.")
@click.option("--rpm", type=flags.Rate(), help="Requests a minute.")
@click.option("--tpm", type=flags.Rate(), help="Tokens a minute.")
@click.option("--max-failures", type=flags.Rate(), help="Pause when so many jobs have failed.")
@flags.budget_flag
@click.option("--detach", is_flag=True, help="Return at once; the work goes on in the background.")
@click.option("--timeout", type=flags.Duration(), help="Leave after this long (90s, 2h); exit 7.")
@flags.on_end_flag
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
def command(
    run: str,
    *,
    limit: int | None,
    rpm: int | None,
    tpm: int | None,
    max_failures: int | None,
    budget: int | None,
    **given: Any,
) -> int:
    """Go on with RUN (an id or a name), as `runner start` does. Limits given here replace those it has.

    \b
    Example, with more money:
      runner resume reviews --budget 20
    """
    rates = {"rpm": rpm, "tpm": tpm}  # here 0 means no limit
    bounds = {"limit": limit, "max_failures": max_failures, "budget_ticks": budget}  # here None does
    changes: dict[str, int | None] = {name: value for name, value in rates.items() if value is not None}
    changes |= {name: value or None for name, value in bounds.items() if value is not None}
    return start(run, changes, flags.StartFlags(**given))
