"""The moves of jobs that a user asks for: cancel, abandon, retry. They are made in chunks.

A run may have millions of jobs, and SQLite has one writer at a time. So each call moves at most `rows_max`
jobs in the caller's transaction and returns how many it moved; the caller repeats it until that is 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy.exc import DBAPIError

from runner.db import bulk
from runner.db.chosen_jobs import pick
from runner.db.counters import Deltas
from runner.db.driver_errors import is_deadlock
from runner.db.given_up import ABANDONED
from runner.db.job_ids import run_of
from runner.db.job_selection import JobSelection
from runner.db.result_costs import count_uncertain_cost
from runner.rules.errors import Bug
from runner.rules.states import TRANSITIONS, Event, JobState
from runner.rules.uncertain_cost import with_reserved_floor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.session import Database
    from runner.rules.uncertain_cost import UncertainCost

Result = TypeVar("Result")
ROWS_MAX = 5_000
_DEADLOCKS_MAX = 10  # of one chunk; the worker's transaction goes on each time
_FREE = "lease_owner = NULL, lease_until_ms = NULL, lease_gen = jobs.lease_gen + 1"


class Walked(NamedTuple):
    """How many jobs were moved, and the last one that was looked at; None where there is none left."""

    moved: int
    last: int | None


CANCELLABLE = JobSelection(states=TRANSITIONS[Event.CANCEL].sources)
ABANDONABLE = JobSelection(states=TRANSITIONS[Event.ABANDON].sources)


def move_in_chunks(database: Database, step: Callable[[Connection, Deltas], int]) -> None:
    """Call one of the moves below, each time in its own transaction, until it moves no job."""
    while move_chunk(database, step):
        pass


def walk_in_chunks(database: Database, step: Callable[[int | None, Connection, Deltas], Walked]) -> int:
    """Call a step, each time in its own transaction, after the last job of the call before; return the moves.

    It looks at no job twice: one that was sent again may have failed again meanwhile.
    """
    total, after = 0, None
    while True:
        walked = move_chunk(database, partial(step, after))
        total, after = total + walked.moved, walked.last
        if after is None:
            return total


def move_chunk(database: Database, step: Callable[[Connection, Deltas], Result]) -> Result:
    """Return what a step returns that is done in its own transaction, with its deltas.

    It is done again where a worker and this transaction waited for each other.
    """
    for tries_left in reversed(range(_DEADLOCKS_MAX)):
        try:
            with database.write() as connection:
                deltas = Deltas(0)
                result = step(connection, deltas)
                deltas.write(connection)
        except DBAPIError as error:
            if not tries_left or not is_deadlock(error):
                raise
        else:
            return result
    raise Bug("the last try returns or raises")


def cancel(
    connection: Connection,
    run_id: int,
    now_ms: int,
    deltas: Deltas,
    rows_max: int = ROWS_MAX,
    selection: JobSelection = CANCELLABLE,
) -> int:
    """Cancel jobs that were not sent, or are held; return how many."""
    moved = 0
    for source in sorted(selection.states & CANCELLABLE.states):
        rows = pick(connection, run_id, _only(selection, source), rows_max - moved)
        moved += _move(
            connection, rows, JobState.CANCELLED, f"{_FREE}, finished_at_ms = {int(now_ms)}", deltas
        )
    return moved


def abandon(
    connection: Connection,
    run_id: int,
    now_ms: int,
    deltas: Deltas,
    cost_of: Callable[[Row[Any]], UncertainCost | None],
    rows_max: int = ROWS_MAX,
    selection: JobSelection = ABANDONABLE,
) -> int:
    """Cancel jobs whose results are not fetched yet, and do not fetch them; return how many.

    `cost_of` takes a job's row (model, prompt_tokens, output_tokens_max) and returns what its answer may
    cost, None where that is unknown.
    """
    moved = 0
    for source in sorted(selection.states & ABANDONABLE.states):
        rows = pick(connection, run_id, _only(selection, source), rows_max - moved)
        change = f"{_FREE}, finished_at_ms = {int(now_ms)}"
        moved += _move(connection, rows, JobState.CANCELLED, change, deltas)
        costs = [with_reserved_floor(cost_of(row), row.reserved_ticks) for row in rows]
        bulk.execute(
            connection,
            [
                *(("job_id", "BIGINT"), ("attempt", "INT"), ("at", "BIGINT")),
                *(("probable", "BIGINT"), ("possible", "BIGINT")),
            ],
            [
                (
                    *(row.id, row.attempt, now_ms),
                    *((cost.probable_ticks, cost.possible_ticks) if cost else (None, None)),
                )
                for row, cost in zip(rows, costs, strict=True)
            ],
            f"UPDATE attempts SET outcome = '{ABANDONED}', collected_at_ms = v.at,"
            " probable_ticks = v.probable, possible_ticks = v.possible FROM v"
            " WHERE attempts.job_id = v.job_id AND attempts.attempt = v.attempt",
        )
        for row, cost in zip(rows, costs, strict=True):
            count_uncertain_cost(run_id, cost, deltas)
            deltas.add(run_id, "ticks", "reserved", -(row.reserved_ticks or 0))
        deltas.add(run_id, "attempts", ABANDONED, len(rows))
    return moved


def retry(
    connection: Connection,
    run_id: int,
    selection: JobSelection,
    now_ms: int,
    deltas: Deltas,
    rows_max: int = ROWS_MAX,
    after: int | None = None,
) -> Walked:
    """Make the next ended or held jobs pending again. `after`: only those with larger ids.

    They are sent as they were loaded: what was asked again before counts no more. A failed job whose last
    attempt was accepted gets one more extra.
    """
    rows = pick(connection, run_id, selection, rows_max, after)
    return Walked(requeue(connection, rows, now_ms, deltas), rows[-1].id if rows else None)


def requeue(connection: Connection, rows: Sequence[Row[Any]], now_ms: int, deltas: Deltas) -> int:
    """Make jobs of `pick` pending; return how many. A lease of one that is pending already is void then."""
    change = (
        f"{_FREE}, due_at_ms = {int(now_ms)}, finished_at_ms = NULL, error_code = NULL, answered_by = NULL,"
        " spent = 0, extras = jobs.extras + v.extra, asks = 0, asked_after = NULL, ask_tokens = 0"
    )
    moved = _move(connection, rows, JobState.PENDING, change, deltas)
    for row in rows:
        if row.state == JobState.FAILED:
            deltas.add(run_of(row.id), "code", row.error_code or "unknown", -1)
            deltas.add(run_of(row.id), "extra", "user_retry", _extra(row))
    return moved


def _only(selection: JobSelection, state: JobState) -> JobSelection:
    return replace(selection, states=frozenset({state}))


def _extra(row: Row[Any]) -> int:
    return int(row.state == JobState.FAILED and bool(row.was_accepted))


def _move(
    connection: Connection, rows: Sequence[Row[Any]], target: JobState, change: str, deltas: Deltas
) -> int:
    bulk.execute(
        connection,
        [("id", "BIGINT"), ("extra", "INT")],
        [(row.id, _extra(row)) for row in rows],
        f"UPDATE jobs SET state = '{target}', {change} FROM v WHERE jobs.id = v.id",
    )
    for (run_id, source), n in Counter((run_of(row.id), row.state) for row in rows).items():
        deltas.move_jobs(run_id, source, target, n)
    return len(rows)
