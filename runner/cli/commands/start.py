"""`runner start RUN`: start a run; follow it, or leave it to the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runner.cli import flags
from runner.cli.session.context import read_settings
from runner.cli.session.engine_lease import engine_lease
from runner.embedded.gc_pause import gc_paused

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command("start", short_help="Set a run to work, and watch it or leave it alone.")
@flags.run_argument
@click.option("--detach", is_flag=True, help="Return at once; the work goes on in the background.")
@click.option("--timeout", type=flags.Duration(), help="Leave after this long (90s, 2h); exit 7.")
@flags.budget_flag
@flags.on_end_flag
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
def command(run: str, *, budget: int | None, **given: Any) -> int:
    """Set RUN (an id or a name) to work and stay until it stands still; a paused run goes on.

    With --detach it works on after this command, until its runs have ended. No files are written:
    `runner write` does that.

    \b
    Example, overnight:
      runner start reviews --detach
      runner watch reviews
    """
    changes = {} if budget is None else {"budget_ticks": budget or None}
    return start(run, changes, flags.StartFlags(**given))


def start(run: str, changes: Mapping[str, int | None], given: flags.StartFlags) -> int:
    """Start a run with some of its options changed; return the exit code."""
    settings = read_settings()
    with engine_lease(settings) as lease:
        if settings.api_key is not None and (settings.home / "runner.db").exists():
            lease.start_early()
        with gc_paused():
            from runner.cli.session.start_run import start_run  # the engine starts while this is imported

        return start_run(settings, lease, run, changes, given)
