"""The moves of jobs that a user asks for: cancel, abandon, retry. They are made in chunks.

A run may have millions of jobs, and SQLite has one writer at a time. So each call moves at most `rows_max`
jobs in the caller's transaction and returns how many it moved; the caller repeats it until that is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy.exc import DBAPIError

from runner.db import statements
from runner.db.connection.driver_errors import is_deadlock
from runner.db.counts.counters import Deltas
from runner.db.counts.result_costs import count_uncertain_cost
from runner.db.jobs.chosen_jobs import pick
from runner.db.jobs.job_ids import run_of
from runner.db.jobs.job_selection import JobSelection
from runner.db.moves.given_up import ABANDONED
from runner.db.moves.guarded_update import ABANDON, CANCEL, RETRY, MoveRow
from runner.rules.costs.uncertain_cost import with_reserved_floor
from runner.rules.errors import Bug
from runner.rules.states import TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.events.trail import CommandEvent
    from runner.db.session import Database
    from runner.rules.costs.uncertain_cost import UncertainCost
    from runner.rules.event_kinds import EventKind

Result = TypeVar("Result")
ROWS_MAX = 5_000
_ABANDONED = statements.read("attempt_abandoned")
_DEADLOCKS_MAX = 10  # of one chunk; the worker's transaction goes on each time


class Walked(NamedTuple):
    """How many jobs were moved, and the last one that was looked at; None where there is none left."""

    moved: int
    last: int | None


CANCELLABLE = JobSelection(states=TRANSITIONS[Event.CANCEL].sources)
ABANDONABLE = JobSelection(states=TRANSITIONS[Event.ABANDON].sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsEvent:
    """The event of a command that moves jobs in chunks, with the number of jobs that it has moved so far."""

    event: CommandEvent
    kind: EventKind
    at_ms: int
    moved: int = 0

    def extended(self, connection: Connection, moved: int) -> JobsEvent:
        """Return the event with the jobs of one more chunk, recorded; itself where there are none."""
        if not moved:
            return self
        total = self.moved + moved
        event = self.event.extended(connection, self.at_ms, self.kind, new={"jobs": total})
        return replace(self, event=event, moved=total)


def move_in_chunks(
    database: Database, event: JobsEvent, step: Callable[[Connection, Deltas], int]
) -> JobsEvent:
    """Call one of the moves below, each time in its own transaction, until it moves no job.

    Return the event of the command, which is on record as soon as a job has moved.
    """

    def one(connection: Connection, deltas: Deltas) -> JobsEvent:
        return event.extended(connection, step(connection, deltas))

    while (later := move_chunk(database, one)) is not event:
        event = later
    return event


def walk_in_chunks(
    database: Database, event: JobsEvent, step: Callable[[int | None, Connection, Deltas], Walked]
) -> JobsEvent:
    """Call a step, each time in its own transaction, after the last job of the call before.

    It looks at no job twice: one that was sent again may have failed again meanwhile. Return the event of the
    command, with the number of jobs that were moved.
    """
    after: int | None = None

    def one(connection: Connection, deltas: Deltas) -> tuple[JobsEvent, int | None]:
        walked = step(after, connection, deltas)
        return event.extended(connection, walked.moved), walked.last

    while True:
        event, after = move_chunk(database, one)
        if after is None:
            return event


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
        moves = [MoveRow(row.id, JobState.CANCELLED, finished_at_ms=now_ms) for row in rows]
        moved += len(CANCEL.run(connection, Event.CANCEL, moves, deltas, (source,)))
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
        moves = [MoveRow(row.id, JobState.CANCELLED, finished_at_ms=now_ms) for row in rows]
        moved += len(ABANDON.run(connection, Event.ABANDON, moves, deltas, (source,)))
        costs = [with_reserved_floor(cost_of(row), row.reserved_ticks) for row in rows]
        _ABANDONED.with_rows(
            connection,
            [
                (row.id, row.attempt, now_ms, *(cost[:2] if cost else (None, None)))
                for row, cost in zip(rows, costs, strict=True)
            ],
        )
        for row, cost in zip(rows, costs, strict=True):
            count_uncertain_cost(run_id, cost, deltas, model=row.model)
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
    moved = 0
    for source in sorted({JobState(row.state) for row in rows}):
        moves = [
            MoveRow(row.id, JobState.PENDING, due_at_ms=now_ms, extras=_extra(row))
            for row in rows
            if row.state == source
        ]
        moved += len(RETRY.run(connection, Event.RETRY, moves, deltas, (source,)))
    for row in rows:
        if row.state == JobState.FAILED:
            deltas.add(run_of(row.id), "code", row.error_code or "unknown", -1)
            deltas.add(run_of(row.id), "extra", "user_retry", _extra(row))
    return moved


def _only(selection: JobSelection, state: JobState) -> JobSelection:
    return replace(selection, states=frozenset({state}))


def _extra(row: Row[Any]) -> int:
    return int(row.state == JobState.FAILED and bool(row.was_accepted))
