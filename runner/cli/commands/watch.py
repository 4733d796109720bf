"""`runner watch RUN`: show the progress of a run that another command or an engine works on."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from runner.cli import flags, value_types
from runner.cli.printing import print_escaped, print_json, print_note
from runner.cli.render.runs.ending_text import done_text
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.summary_table import summary_lines
from runner.cli.session.context import existing_database, find_working_run, read_settings
from runner.cli.session.engine_lease import engine_lease
from runner.cli.session.following.commit_refusals import RefusedCommitsReader
from runner.cli.session.following.display import SilentDisplay, choose_display
from runner.cli.session.following.ending import ending_lines
from runner.cli.session.following.follow import Follower
from runner.cli.session.following.limit_usage import LimitUsageReader
from runner.cli.session.following.run_state import read_snapshot, snapshot_of
from runner.cli.session.following.stop_signal import StopSignal
from runner.cli.streams import has_reader
from runner.db.runs.run_snapshot import Part
from runner.output.file_owner import files_of_run
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from runner.cli.session.following.display import ProgressDisplay
    from runner.cli.session.following.follow import FollowEnd
    from runner.cli.snapshot import Snapshot
    from runner.embedded.engine_client import EngineClient
    from runner.settings import Settings

_JSON_LINE_S = 2.0


_HELP: Final = """\
Show the progress of RUN (an id or a name) until it has ended or is paused.

You can start and stop watching at any time. --json prints one object per line; the last one has the
final state.

\b
Example, a message when it is done:
  runner watch reviews --exit-status && notify-send "reviews are done"
"""


@click.command("watch", short_help="Show the progress of a run.", help=_HELP)
@flags.run_argument
@click.option("--exit-status", is_flag=True, help="Exit with the code that `runner run` would give.")
@click.option(
    "--timeout", type=value_types.Duration(), help="Stop watching after this time (90s, 2h); exit 7."
)
@click.option("--interval", type=value_types.Duration(), help="Print the numbers this often (5s, 1m).")
@flags.json_flag
@flags.quiet_flag
@flags.verbose_flag
def command(
    run: str,
    *,
    exit_status: bool,
    timeout: float | None,
    interval: float | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Show the progress of RUN (an id or a name) until it has ended or is paused."""
    settings = read_settings()
    with engine_lease(settings) as lease, existing_database(settings) as database:
        with database.read() as connection:
            run_id = find_working_run(connection, run).id
            first = snapshot_of(settings, connection, run_id)
        if not quiet and not first.has_stopped:
            print_note(_first_line(first, lease.engine))
        display: ProgressDisplay = choose_display(quiet=quiet, interval_s=interval)
        if as_json:
            display = JsonDisplay(interval or _JSON_LINE_S)
        with StopSignal() as stop, display, LimitUsageReader(settings) as limit_usage:
            follower = Follower(
                read=partial(read_snapshot, settings, database, run_id),
                display=display,
                stop=stop,
                has_reader=has_reader,
                timeout_s=timeout,
                limit_usage=None if quiet else limit_usage,
                refused_commits=RefusedCommitsReader(settings),
                verbose=verbose,
            )
            end = follower.follow()
    return _print_end(settings, end, quiet=quiet or as_json, exit_status=exit_status)


def _print_end(settings: Settings, end: FollowEnd, *, quiet: bool, exit_status: bool) -> int:
    snapshot = end.snapshot
    if end.left_by is not None:
        print_note(f"stopped watching; {done_text(snapshot)}")
        return end.left_by
    if not quiet:
        for line in summary_lines(snapshot.stored.summary(files_of_run(snapshot.run))):
            print_escaped(line)
    for line in ending_lines(snapshot, f"runner resume {snapshot.run.id}", settings):
        print_note(line)
    return snapshot.stored.exit_code if exit_status else ExitCode.OK


def _first_line(snapshot: Snapshot, engine: EngineClient | None) -> str:
    """Return the first line: whether the work continues when this command is closed."""
    run_id = snapshot.run.id
    if snapshot.without_worker_since_ms is not None:
        return f"watching run {run_id}"  # the next line says the rest
    if engine is None or engine.home.detached.exists() or engine.has_other_holders():
        return f"watching run {run_id}; closing this does not stop the work"
    if engine.is_engine_alive():
        return f"watching run {run_id}; only this command keeps it at work (runner start {run_id} --detach)"
    return f"watching run {run_id}; no engine works on it now (runner start {run_id})"


class JsonDisplay(SilentDisplay):
    """Prints one object per line on stdout, and a last one when the run has stopped."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next_s = 0.0
        self._is_due = True

    def parts(self) -> Part:
        """Return what an object needs when the next one is due."""
        self._is_due = time.monotonic() >= self._next_s
        return Part.OBJECT | Part.RECENT if self._is_due else Part.NUMBERS

    def update(self, snapshot: Snapshot) -> None:
        """Print the numbers when it is time to, and always the last ones."""
        now_s = time.monotonic()
        if self._is_due or snapshot.has_stopped:
            self._next_s = now_s + self._interval_s
            print_json(live_object(snapshot))
