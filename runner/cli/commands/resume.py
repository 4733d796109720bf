"""`runner resume RUN`: continue a paused run, with other limits if wanted."""

from __future__ import annotations

from typing import Any, Final

import click

from runner.cli import flag_values, flags, value_types
from runner.cli.all_runs_flags import AllRunsFlags, all_runs_flags, is_for_all
from runner.cli.commands.start import start
from runner.cli.session.context import read_settings
from runner.cli.session.running.run_options import rate_flags

_HELP: Final = """\
Continue RUN (an id or a name), as `runner start` does. Options that are named here replace those of the
run and stay with it; `none` takes one away. `runner set` changes them without a start.

Files that `runner run` or `runner label` wrote are written again when the run stops; a run that was only
loaded has none until `runner write`. With --detach this command writes none either.

With --all every run that a user paused goes on in the background, with the options that it has. Runs that are
paused for another reason stay so, and are listed with what continues them.

\b
Example, with a larger budget:
  runner resume reviews --budget 20
  runner resume --all --yes
"""


@click.command("resume", short_help="Continue a paused run, with other limits if you want.", help=_HELP)
@all_runs_flags("Continue, in the background, all runs that a user paused.")
@click.option("--limit", type=value_types.NumberOrNone(), help="Send at most N jobs of the file.")
@rate_flags
@click.option("--max-failures", type=value_types.NumberOrNone(), help="Pause when N jobs have failed.")
@flags.budget_flag
@click.option("--detach", is_flag=True, help="Return at once; work in the background, write no files.")
@click.option(
    "--timeout", type=value_types.Duration(), help="Stop waiting after this time (90s, 2h); exit 7."
)
@flags.on_end_flag
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
@flags.reason_flag
def command(
    run: str | None, *, is_all: bool, dry_run: bool, yes: bool, reason: str | None, **given: Any
) -> int:
    """Continue RUN (an id or a name) as `runner start` does, or all runs that a user paused."""
    options = flags.take_options(given)
    typed = flag_values.StartFlags(**given)
    others = bool(options) or typed.timeout is not None
    if is_for_all(run, is_all=is_all, only_all=dry_run or yes, others=others):
        return _resume_all(
            AllRunsFlags(yes=yes, dry_run=dry_run, as_json=typed.as_json, quiet=typed.quiet), reason
        )
    return start(run or "", options, typed, reason)


def _resume_all(given: AllRunsFlags, reason: str | None) -> int:
    """Continue all runs that a user paused; return exit code 0."""
    from runner.cli.session.actor import read_actor
    from runner.cli.session.steering.all_runs import resume_all

    settings = read_settings()
    resume_all(settings, read_actor(settings, reason), given)
    return 0
