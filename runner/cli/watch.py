"""`runner watch RUN`: follow a run that others set to work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from runner.cli import flags, json, last_words, snapshot, text, working
from runner.cli.crew import crew_of
from runner.cli.follow import Follower, stands_still
from runner.cli.gauge import Gauge
from runner.cli.hold import hold
from runner.cli.offers import at_rest
from runner.cli.opening import existing_database, find_run, read_settings
from runner.cli.pace import Pace
from runner.cli.progress import Silent, choose
from runner.cli.report import summary_lines
from runner.cli.stopping import Stop
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from runner.cli.follow import Ending
    from runner.cli.progress import Show
    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.embedded.attach import Attachment
    from runner.settings import Settings

_JSON_LINE_S = 2.0


@click.command("watch", short_help="Follow a run that is at work.")
@flags.run_argument
@click.option("--exit-status", is_flag=True, help="End with the code that `runner run` would give.")
@click.option("--timeout", type=flags.Duration(), help="Stop watching after this long (90s, 2h); exit 7.")
@click.option("--interval", type=flags.Duration(), help="Tell the numbers this often (5s, 1m).")
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
    """Follow RUN (an id or a name) until it stands still. It may be begun and ended at will.

    --json prints one object a line; the last one tells how it ended.

    \b
    Example, a word when it is done:
      runner watch reviews --exit-status && notify-send "reviews are done"
    """
    settings = read_settings()
    with hold(settings) as held, existing_database(settings) as database:
        with database.read() as connection:
            run_id = find_run(connection, run).id
        if not quiet and not stands_still(snapshot.read(database, run_id)):
            text.note(_first_words(run_id, held.attachment))
        show: Show = choose(quiet=quiet, interval_s=interval)
        if as_json:
            show = _JsonLines(database, interval or _JSON_LINE_S)
        with Stop() as stop, show, Gauge(settings) as gauge:
            follower = Follower(
                database=database,
                run_id=run_id,
                show=show,
                stop=stop,
                timeout_s=timeout,
                gauge=None if quiet else gauge,
                crew=crew_of(settings, database),
                verbose=verbose,
            )
            ending = follower.follow()
        return _end(settings, database, ending, quiet=quiet or as_json, exit_status=exit_status)


def _end(settings: Settings, database: Database, ending: Ending, *, quiet: bool, exit_status: bool) -> int:
    seen = ending.seen
    if ending.left_by is not None:
        text.note(f"stopped watching; {last_words.how_far(seen)}")
        return ending.left_by
    if not quiet:
        for line in summary_lines(snapshot.summary(database, seen)):
            text.out(line)
    for line in at_rest(database, seen, f"runner resume {seen.run.id}", settings):
        text.note(line)
    return working.code_of(seen) if exit_status else ExitCode.OK


def _first_words(run_id: int, attachment: Attachment | None) -> str:
    """Say what closing this command means for the work."""
    if attachment is None or attachment.home.detached.exists() or attachment.others():
        return f"watching run {run_id}; closing this does not stop the work"
    if attachment.alive():
        return f"watching run {run_id}; only this command keeps it at work (runner start {run_id} --detach)"
    return f"watching run {run_id}; nobody works on it just now (runner start {run_id})"


class _JsonLines(Silent):
    """One object a line on stdout, and a last one when the run stands still."""

    def __init__(self, database: Database, interval_s: float) -> None:
        self._database, self._interval_s = database, interval_s
        self._next_s = 0.0
        self._pace = Pace()

    def update(self, seen: Snapshot) -> None:
        """Print the numbers when it is time to, and always the last ones."""
        now_s = time.monotonic()
        self._pace.add(now_s, seen.done)
        if now_s >= self._next_s or stands_still(seen):
            self._next_s = now_s + self._interval_s
            json.emit(snapshot.live(self._database, seen, self._pace.eta_s(seen.run.total - seen.done)))
