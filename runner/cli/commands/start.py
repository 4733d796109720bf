"""`runner start RUN`: start a run, and follow it or leave it in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from runner.cli import flag_values, flags, value_types
from runner.cli.session.context import check_connections, read_settings
from runner.cli.session.engine_lease import engine_lease
from runner.embedded.gc_pause import gc_paused

if TYPE_CHECKING:
    from collections.abc import Mapping


_HELP: Final = """\
Start RUN (an id or a name) and wait until it has ended or is paused; a paused run continues.

Files that `runner run` or `runner label` wrote are written again when the run stops; a run that was only
loaded has none until `runner write`. The run keeps its options, save those that are named here.

With --detach the command returns at once and writes no file; the work continues in the background until
the run has ended or is paused. `runner write` writes the files then.

\b
Example, overnight:
  runner start reviews --detach
  runner watch reviews
  runner write reviews -o out.jsonl
"""


@click.command("start", short_help="Start a run; watch it, or leave it in the background.", help=_HELP)
@flags.run_argument
@click.option("--detach", is_flag=True, help="Return at once; work in the background, write no files.")
@click.option(
    "--timeout", type=value_types.Duration(), help="Stop waiting after this time (90s, 2h); exit 7."
)
@flags.budget_flag
@flags.on_end_flag
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
def command(run: str, **given: Any) -> int:
    """Start RUN (an id or a name) and wait until it has ended or is paused; a paused run continues."""
    options = flags.take_options(given)
    return start(run, options, flag_values.StartFlags(**given))


def start(
    run: str, options: Mapping[str, Any], given: flag_values.StartFlags, reason: str | None = None
) -> int:
    """Start a run with some of its options changed; return the exit code. `reason`: the text of --reason."""
    settings = read_settings()
    with engine_lease(settings) as lease:
        if settings.api_key is not None and (settings.home / "runner.db").exists():
            check_connections(settings)
            lease.start_early()
        with gc_paused():
            from runner.cli.session.actor import read_actor  # the engine starts while this is imported
            from runner.cli.session.running.start_run import start_run

        return start_run(settings, lease, run, options, given, read_actor(settings, reason))
