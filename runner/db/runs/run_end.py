"""The end of a run: when it is done, when it has stopped, and who calls its --on-end command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from runner.db.counts import counters
from runner.db.events import events
from runner.db.jobs.job_ids import job_id
from runner.db.runs import run_moves, runs
from runner.db.runs.run_row import RunRow, read_run
from runner.rules.counted import count
from runner.rules.event_kinds import EventKind
from runner.rules.states import AT_WORK, JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOVING = (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED)
_ENDS_AND_CLAIMS = ", ".join(
    f"'{kind}'" for kind in (EventKind.FINISHED, EventKind.PAUSED, EventKind.CANCELLED, EventKind.NOTIFIED)
)


def is_done(connection: Connection, run: RunRow) -> bool:
    """Return whether no job of a run is open any more; with a limit: no job within the limit."""
    open_jobs, limit = counters.count_open_jobs(connection, run.id), run.options.limit
    if run.state is RunState.CANCELLED:
        return not open_jobs
    if not open_jobs or limit is None or open_jobs > max(0, run.total - limit):
        return not open_jobs
    first_open = connection.execute(
        text(
            "SELECT id FROM jobs WHERE id >= :first AND id < :last AND state IN"
            " ('pending', 'submitting', 'waiting', 'collecting', 'stored') ORDER BY id LIMIT 1"
        ),
        {"first": job_id(run.id, 0), "last": job_id(run.id, limit)},
    ).scalar_one_or_none()
    return first_open is None


def finish_if_done(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Finish a run whose jobs have all ended or are held; return whether it finished now.

    A run with a limit pauses instead when the jobs within the limit are done and others are open. A
    cancelled run stays cancelled and gets its `finished_at_ms`. The counters are checked first. Several
    workers may see the end at the same time: one finishes the run.
    """
    if _done(connection, run_id) is None:
        return False
    runs.lock(connection, run_id)
    run = _done(connection, run_id)
    if run is None:
        return False
    if run.state is not RunState.CANCELLED and counters.count_open_jobs(connection, run_id):
        done = count(run.options.limit or 0, f"{run.unit} is done", f"{run.unit}s are done")
        run_moves.pause(connection, run_id, PauseReason.LIMIT, f"the first {done}", now_ms)
        return False
    if counters.recount(connection, run_id):
        events.record(
            connection, run_id, now_ms, EventKind.RECOUNTED, "the counters had drifted and were mended"
        )
        if counters.count_open_jobs(connection, run_id):
            return False
    connection.execute(
        text(f"UPDATE runs SET state = :state, finished_at_ms = :now, {run_moves.NO_PAUSE} WHERE id = :id"),
        {
            "id": run_id,
            "now": now_ms,
            "state": RunState.CANCELLED if run.state is RunState.CANCELLED else RunState.FINISHED,
        },
    )
    events.record(connection, run_id, now_ms, EventKind.FINISHED, "")
    return True


def has_stopped(run: RunRow, counts: Mapping[tuple[str, str], int]) -> bool:
    """Return whether nothing more will happen: the run has ended, or it is paused with no job in flight.

    A run paused for its API key or for a setting has stopped as well once its fetches are refused too: what
    is out waits at the API until a person has acted.
    """
    if run.is_over:
        return True
    states = counters.jobs_by_state(counts)
    moving = sum(states[state] for state in _MOVING)
    if run.state is not RunState.PAUSED or not moving:
        return run.state is RunState.PAUSED
    if states[JobState.SUBMITTING] or states[JobState.STORED]:
        return False
    is_cut_off = counts.get(counters.FETCH_REFUSED, 0) > 0
    return is_cut_off and run.pause_reason in (PauseReason.KEY, PauseReason.SETTING)


def needs_worker(run: RunRow, counts: Mapping[tuple[str, str], int]) -> bool:
    """Return whether workers have to do something: send, collect, or finish the run.

    A paused or cancelled run needs them only until what is out is collected; one that was never started, or
    was opened again, needs its user first.
    """
    if run.state in AT_WORK:
        return True
    return run.state in (RunState.PAUSED, RunState.CANCELLED) and not has_stopped(run, counts)


def with_on_end(connection: Connection) -> list[RunRow]:
    """Return the runs that have an --on-end command, oldest first."""
    query = text('SELECT * FROM runs WHERE options LIKE \'%"on_end": "%\' ORDER BY id')
    return [read_run(row) for row in connection.execute(query)]


def claim_on_end(connection: Connection, run_id: int, now_ms: int) -> bool:
    """Atomically claim the --on-end call of a run; False where it was claimed since the run last ended."""
    runs.lock(connection, run_id)
    newest_ids = dict.fromkeys((True, False), 0)  # of the claims, and of the ends
    for newest_id, is_claim in connection.execute(
        text(
            f"SELECT MAX(id), kind = '{EventKind.NOTIFIED}' FROM run_events WHERE run_id = :run"
            f" AND kind IN ({_ENDS_AND_CLAIMS}) GROUP BY kind = '{EventKind.NOTIFIED}'"
        ),
        {"run": run_id},
    ):
        newest_ids[bool(is_claim)] = newest_id
    if newest_ids[True] > newest_ids[False]:
        return False
    events.record(connection, run_id, now_ms, EventKind.NOTIFIED, "--on-end was called")
    return True


def _done(connection: Connection, run_id: int) -> RunRow | None:
    """Return a run at work of which no job is open any more; None otherwise."""
    run = runs.find_whole(connection, run_id)
    if run is None or run.is_over or run.state in (RunState.LOADING, RunState.READY):
        return None
    return run if is_done(connection, run) else None
