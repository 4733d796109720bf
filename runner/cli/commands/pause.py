"""`runner pause RUN`: stop sending, until `runner resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags
from runner.cli.all_runs_flags import AllRunsFlags, all_runs_flags, is_for_all
from runner.cli.printing import print_json, print_note
from runner.cli.render.runs.ending_text import outstanding_lines
from runner.cli.render.runs.live_object import live_object
from runner.cli.session.actor import read_actor
from runner.cli.session.context import existing_database, find_working_run, read_settings
from runner.cli.session.following.run_state import read_snapshot
from runner.cli.session.steering.pause_run import pause_run
from runner.db.runs.run_snapshot import Part
from runner.rules.errors import UsageError
from runner.rules.states import RunState

if TYPE_CHECKING:
    from runner.db.events.trail import Actor
    from runner.settings import Settings

_HELP: Final = """\
Stop sending jobs of RUN (an id or a name), or with --all of every run that is at work.

Accepted requests are still collected, because they are paid.

\b
Example, let an urgent run go first:
  runner pause reviews
  runner resume reviews --detach
  runner pause --all --reason 'the API misbehaves' --yes
"""


@click.command(
    "pause", short_help="Stop sending jobs of a run; accepted requests are still collected.", help=_HELP
)
@all_runs_flags("Pause all runs that are at work.")
@flags.reason_flag
@flags.json_flag
@flags.quiet_flag
def command(
    run: str | None,
    *,
    is_all: bool,
    dry_run: bool,
    yes: bool,
    reason: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Stop sending jobs of RUN (an id or a name), or of all runs."""
    is_every = is_for_all(run, is_all=is_all, only_all=dry_run or yes)
    settings = read_settings()
    actor = read_actor(settings, reason)
    if is_every:
        from runner.cli.session.steering.all_runs import pause_all

        pause_all(settings, actor, AllRunsFlags(yes=yes, dry_run=dry_run, as_json=as_json, quiet=quiet))
    elif run is not None:
        _pause(settings, actor, run, as_json=as_json, quiet=quiet)


def _pause(settings: Settings, actor: Actor, run: str, *, as_json: bool, quiet: bool) -> None:
    with existing_database(settings) as database:
        now_ms = database.now_ms()
        with database.write() as connection:
            found = find_working_run(connection, run)
            moved = pause_run(connection, found, actor, now_ms)
        if not moved and found.state is not RunState.PAUSED:
            raise UsageError(f"run {found.id} is not at work, it is {found.state}")
        snapshot = read_snapshot(settings, database, found.id, Part.OBJECT)
        if as_json:
            print_json(live_object(snapshot))
        elif not quiet:
            already = "" if moved else "already "
            print_note(f"run {found.id} is {already}paused; to continue: runner resume {found.id}")
            for line in outstanding_lines(snapshot):
                print_note(line)
