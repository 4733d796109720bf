"""`runner start RUN`: set a run to work; stay with it, or leave it to the engine. Here are its flags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runner.cli import flags
from runner.cli.hold import hold
from runner.cli.opening import read_settings
from runner.embedded.importing import uncollected

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
def command(run: str, *, budget: int | None, on_end: str | None, **given: Any) -> int:
    """Set RUN (an id or a name) to work and stay until it stands still; a paused run goes on.

    With --detach it works on after this command, until its runs have ended. No files are written:
    `runner write` does that.

    \b
    Example, overnight:
      runner start reviews --detach
      runner watch reviews
    """
    changes: dict[str, Any] = {} if budget is None else {"budget_ticks": budget or None}
    return go(run, changes, on_end=on_end, **given)


def go(run: str, changes: Mapping[str, Any], **given: Any) -> int:
    """Set a run to work with some options changed; stay with it unless told to detach."""
    settings = read_settings()
    with hold(settings) as held:
        if settings.api_key is not None and (settings.home / "runner.db").exists():
            held.start_early()
        with uncollected():
            from runner.cli.starting import set_going  # the engine starts while this is imported

        return set_going(settings, held, run, changes, given)
