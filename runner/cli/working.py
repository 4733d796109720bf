"""Setting a run to work and staying with it: what `run` and `start` share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runner.cli import json, last_words, snapshot, text
from runner.cli.crew import NOBODY, Crew, crew_of
from runner.cli.follow import Follower
from runner.cli.gauge import Gauge
from runner.cli.progress import choose, is_live
from runner.cli.stopping import Stop
from runner.db import runs
from runner.db.counters import Deltas
from runner.embedded import on_end
from runner.engine import closing
from runner.rules.exit_codes import ExitCode, of_run
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.cli.follow import Ending
    from runner.cli.hold import Hold
    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.settings import Settings


def set_to_work(database: Database, run_id: int, hold: Hold) -> None:
    """Start a run, see to an engine, and wake the workers. Raises UsageError, Unreachable."""
    is_there = hold.is_at_work()  # and is refused, with another key, before the run is set to work
    now_ms = database.now_ms()
    with database.write() as connection:
        runs.start(connection, run_id, now_ms)
        closing.close(connection, run_id, now_ms, Deltas(0))  # its limit may be reached, all be done
    if is_there:
        _ring(database, run_id)
    else:
        hold.wait_ready()  # new workers look for work by themselves


def stay(
    settings: Settings,
    database: Database,
    run_id: int,
    hold: Hold,
    *,
    quiet: bool,
    verbose: bool,
    timeout_s: float | None,
) -> Ending:
    """Show a run until it stands still, the time is up or a signal asks to stop."""
    with Stop() as stop, choose(quiet=quiet) as show, Gauge(settings) as gauge:
        follower = Follower(
            database=database,
            run_id=run_id,
            show=show,
            stop=stop,
            engine=hold.attachment,
            timeout_s=timeout_s,
            gauge=gauge if is_live() and not quiet else None,  # plain lines do not tell of limits
            crew=crew_of(settings, database),
            verbose=verbose,
        )
        ending = follower.follow()
    if ending.left_by is not None:
        in_time = ending.left_by is not ExitCode.TIMEOUT
        text.note(last_words.STOPPING if in_time else "the time is up; finished work is saved")
    return ending


def leave(database: Database, run_id: int, hold: Hold, *, command: str, as_json: bool) -> None:
    """Let go of the engine after a signal or a timeout, and say what is still out and how to go on."""
    goes_on = not hold.end()
    seen = snapshot.read(database, run_id)
    for line in (last_words.how_far(seen), *last_words.out(database, seen)):
        text.note(line)
    if goes_on and hold.attachment is None and not Crew(database).alive():
        text.note(NOBODY)
    elif goes_on:
        text.note(f"the work goes on without this command; to watch it: runner watch {run_id}")
    text.note(f"to go on: {command}")
    if as_json:
        json.emit(snapshot.live(database, seen))


def tell_end(database: Database, run_id: int) -> None:
    """Call the user's --on-end command, where there is one; what it prints goes to stderr."""
    trouble = on_end.call(database, run_id, to=sys.stderr)
    if trouble:
        text.note(f"warning: {trouble}")


def code_of(seen: Snapshot) -> ExitCode:
    """Give the exit code of a run that stands still."""
    failed, held = seen.jobs(JobState.FAILED), seen.jobs(JobState.HELD)
    return of_run(seen.run.state, seen.run.pause_reason, failed=failed, held=held)


def typed_command(run_id: int, file: str) -> str:
    """Write the command that goes on with a run: the same one, or by id where the input came by stdin."""
    return f"runner start {run_id}" if file == "-" else last_words.same_command(sys.argv[1:])


def _ring(database: Database, run_id: int) -> None:
    """Send the workers a hint; one that is lost only makes them look a few seconds later."""
    from kombu.exceptions import OperationalError

    from runner import hints

    try:
        hints.ring(database, run_id)
    except OperationalError:
        text.note("warning: Redis does not answer; the workers begin when it does")
