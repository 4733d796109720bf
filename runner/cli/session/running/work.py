"""Start a run and follow it: what `run`, `start` and `resume` share."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from runner import celery_variables
from runner.cli.printing import print_json, print_note
from runner.cli.render.runs import ending_text
from runner.cli.render.runs.live_object import live_object
from runner.cli.session.following.commit_refusals import RefusedCommitsReader
from runner.cli.session.following.display import choose_display, is_live_terminal
from runner.cli.session.following.follow import Follower
from runner.cli.session.following.limit_usage import LimitUsageReader
from runner.cli.session.following.run_state import read_present, read_snapshot
from runner.cli.session.following.stop_signal import StopSignal
from runner.cli.session.running.run_start import start_in_trail
from runner.db.counts.counters import Deltas
from runner.db.runs import run_snapshot
from runner.db.runs.run_snapshot import Part
from runner.embedded import on_end
from runner.engine.runs import run_completion
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.cli.flag_values import RunFlags, StartFlags
    from runner.cli.session.engine_lease import EngineLease
    from runner.cli.session.running.run_start import RunStart
    from runner.db.session import Database
    from runner.settings import Settings


_REFUSALS_AFTER_S: Final = 5.0  # short runs are over by then


@contextmanager
def named_when_stopped(command: str) -> Iterator[None]:
    """Print the command that continues where a signal ends the block at once, as a second Ctrl-C does."""
    try:
        yield
    except Exception:
        raise
    except BaseException:
        print_note(f"to continue: {command}")
        raise


def activate_run(database: Database, run_id: int, lease: EngineLease, start: RunStart) -> bool:
    """Set a run to running with what `start` changes, start an engine if needed, and notify the workers.

    Return whether there is something to do: not where all jobs, or all within the limit, are done.
    Raises UsageError, Unreachable.
    """
    is_at_work = lease.is_at_work()  # before the change: it raises for an engine with another key
    now_ms = database.now_ms()
    with database.write() as connection:
        start_in_trail(connection, run_id, now_ms, start, is_at_work=is_at_work)
        # its limit may be reached, or all its jobs done
        run_completion.complete_if_done(connection, run_id, now_ms, Deltas(0))
        stored = run_snapshot.read(connection, run_id, Part.NUMBERS)
    if is_at_work:
        _notify_workers(database)
    else:
        lease.wait_ready()  # new workers look for work by themselves
    return stored is not None and not stored.has_stopped


def follow_run(
    settings: Settings,
    database: Database,
    run_id: int,
    lease: EngineLease,
    flags: RunFlags | StartFlags,
    command: str,
) -> ExitCode | None:
    """Show a run until it stops, and return None; else leave it: return why: the time is up, or a signal.

    `command` is the one that continues the run.
    """
    has_panel = is_live_terminal() and not flags.quiet  # which alone shows the use of limits
    with (
        StopSignal() as stop,
        choose_display(quiet=flags.quiet) as display,
        LimitUsageReader(settings) as limit_usage,
    ):
        follower = Follower(
            read=partial(read_present, settings, database, run_id),
            display=display,
            stop=stop,
            engine=lease.engine,
            timeout_s=flags.timeout,
            limit_usage=limit_usage if has_panel else None,
            refused_commits=RefusedCommitsReader(settings, first_after_s=_REFUSALS_AFTER_S),
            verbose=flags.verbose,
        )
        left_by = follower.follow().left_by
    if left_by is not None:
        in_time = left_by is not ExitCode.TIMEOUT
        print_note(ending_text.STOPPING if in_time else "the time is up; finished work is saved")
        _leave_run(settings, database, run_id, lease, command=command, as_json=flags.as_json)
    return left_by


def _leave_run(
    settings: Settings, database: Database, run_id: int, lease: EngineLease, *, command: str, as_json: bool
) -> None:
    """Release the lease after a signal or a timeout; print the outstanding answers and how to continue."""
    continues = not lease.end()
    snapshot = read_snapshot(settings, database, run_id, Part.OBJECT)
    for line in (ending_text.done_text(snapshot), *ending_text.outstanding_lines(snapshot)):
        print_note(line)
    no_worker = ending_text.no_worker_lines(snapshot)
    if continues and no_worker:
        print_note("; ".join(no_worker))
    elif continues:
        print_note(f"the work continues without this command; to watch it: runner watch {run_id}")
    print_note(f"to continue: {command}")
    if as_json:
        print_json(live_object(snapshot))


def call_on_end(database: Database, run_id: int) -> None:
    """Call the user's --on-end command, if there is one; its output goes to stderr."""
    problem = on_end.call(database, run_id, to=sys.stderr)
    if problem:
        print_note(f"warning: {problem}")


def _notify_workers(database: Database) -> None:
    """Notify the workers; without a notification they find the run a few seconds later."""
    celery_variables.remove(os.environ)  # some are read when kombu is imported
    from kombu.exceptions import OperationalError

    from runner import notify

    try:
        notify.notify_workers(database)
    except OperationalError:
        print_note("warning: Redis does not answer; the workers start when it does")
