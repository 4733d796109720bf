"""`runner status [RUN]`: the numbers of a run at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags
from runner.cli.printing import print_escaped, print_json
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.status_lines import other_runs_line, status_lines
from runner.cli.session.context import existing_database, find_working_run, latest_run, read_settings
from runner.cli.session.following.commit_refusals import RefusedCommitsReader
from runner.cli.session.following.ending import suggestions
from runner.cli.session.following.limit_usage import LimitUsageReader
from runner.cli.session.following.run_state import night_line, snapshot_of, ungraded_night_line
from runner.db.runs import runs
from runner.db.runs.run_snapshot import Part
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

_HELP: Final = """\
Show the numbers of RUN (an id or a name). Without RUN: the newest run at work and how many others are,
else the newest paused run, else the newest run.

The name of a night, SUITE@DATE, stands for the run that measures it now.

\b
Example, how many are done:
  runner status reviews --json | jq .done
"""
_AT_WORK: Final = (RunState.RUNNING, RunState.WAITING)
_OBJECT: Final = Part.OBJECT | Part.RECENT
_TEXT: Final = Part.ENDING | Part.RECENT


@click.command("status", short_help="Show the numbers of a run.", help=_HELP)
@flags.maybe_run_argument
@flags.json_flag
def command(run: str | None, *, as_json: bool) -> None:
    """Show the numbers of RUN (an id or a name). Without RUN: of one at work, if any."""
    settings = read_settings()
    with existing_database(settings) as database, LimitUsageReader(settings) as reader:
        with database.read() as connection:
            found = find_working_run(connection, run) if run else latest_run(connection)
            snapshot = snapshot_of(settings, connection, found.id, _OBJECT if as_json else _TEXT)
            night = "" if as_json else night_line(settings, connection, found.id)
            to_grade = "" if as_json else ungraded_night_line(connection, found.id)
            others = 0 if run or as_json else _other_runs(connection, found.id)
        snapshot = RefusedCommitsReader(settings).added_to(reader.added_to(snapshot))
    if as_json:
        print_json(live_object(snapshot))
        return
    last = other_runs_line(others)
    for line in (night, *status_lines(snapshot, suggestions(snapshot, settings)), to_grade, last):
        if line:
            print_escaped(line)


def _other_runs(connection: Connection, run_id: int) -> int:
    """Return how many runs are at work beside one."""
    return sum(run.id != run_id for run in runs.in_states(connection, _AT_WORK))
