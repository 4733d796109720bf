"""The moves of jobs that a user asks for: cancel, abandon, retry. They are made in chunks.

A run may have millions of jobs, and SQLite has one writer at a time. So each call moves at most `rows_max`
jobs in the caller's transaction and returns how many it moved; the caller repeats it until that is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from runner.db import statements
from runner.db.counters import Deltas
from runner.db.driver_errors import is_deadlock
from runner.db.given_up import ABANDONED
from runner.db.guarded_update import ABANDON, CANCEL, RETRY, MoveRow
from runner.db.job_ids import JOBS_MAX, job_id, run_of
from runner.db.leases import PROMPT_TOKENS
from runner.db.result_costs import count_uncertain_cost
from runner.rules.errors import Bug
from runner.rules.states import TRANSITIONS, Event, JobState
from runner.rules.uncertain_cost import with_reserved_floor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.db.session import Database
    from runner.rules.uncertain_cost import UncertainCost

Result = TypeVar("Result")
ROWS_MAX = 5_000
_ABANDONED = statements.read("attempt_abandoned")
_DEADLOCKS_MAX = 10  # of one chunk; the worker's transaction goes on each time
_RANGE = "id >= :first AND id < :last"
# Condition on the last attempt `a` of a job: the one that answered it, else its newest.
_LAST = "a.job_id = jobs.id AND a.attempt = COALESCE(jobs.answered_by, jobs.attempt)"

_WORDS = {  # conditions on jobs, by the field of a selection that has their value
    "code": "error_code = :code",
    "not_code": "COALESCE(error_code, '') <> :not_code",
    "flaw": f"EXISTS (SELECT 1 FROM attempts a WHERE {_LAST} AND a.flaw = :flaw)",
}


class Walked(NamedTuple):
    """How many jobs were moved, and the last one that was looked at; None where there is none left."""

    moved: int
    last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSelection:
    """Which jobs a user means: those in `states`, narrowed by the other fields where given.

    `lost`: only those whose last attempt was lost. `code`: only those with this error code, `not_code`: only
    those without it. `job_ids`: only these jobs. `models`: only those that name one of these. `flaw`: only
    those whose last answer has it.
    """

    states: frozenset[JobState]
    lost: bool = False
    code: str | None = None
    not_code: str | None = None
    job_ids: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    flaw: str | None = None


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
        for cost in costs:
            count_uncertain_cost(run_id, cost, deltas)
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


def matching_groups(connection: Connection, run_id: int, selection: JobSelection) -> list[Row[Any]]:
    """Return the chosen jobs in groups, the largest first.

    Columns: n, model, error_code, mean prompt_tokens, mean output_tokens_max.
    """
    condition, values = _condition(selection)
    query = text(
        "SELECT COUNT(*) AS n, model, error_code, AVG(prompt_tokens) AS prompt_tokens,"
        " AVG(output_tokens_max) AS output_tokens_max FROM jobs"
        f" WHERE {_RANGE} AND {condition} GROUP BY model, error_code ORDER BY 1 DESC"
    )
    return list(connection.execute(query, {**_range(run_id), **values}))


def count_by_state(connection: Connection, run_id: int, selection: JobSelection) -> dict[JobState, int]:
    """Return the number of chosen jobs by state; states without one are left out."""
    condition, values = _condition(selection)
    query = text(f"SELECT state, COUNT(*) AS n FROM jobs WHERE {_RANGE} AND {condition} GROUP BY state")
    found = connection.execute(query, {**_range(run_id), **values})
    return {JobState(row.state): row.n for row in found}


def _only(selection: JobSelection, state: JobState) -> JobSelection:
    return replace(selection, states=frozenset({state}))


def _extra(row: Row[Any]) -> int:
    return int(row.state == JobState.FAILED and bool(row.was_accepted))


def _condition(chosen: JobSelection) -> tuple[str, dict[str, Any]]:
    parts = ["(" + " OR ".join(f"state = '{state}'" for state in sorted(chosen.states)) + ")"]
    if chosen.lost:
        parts.append(f"EXISTS (SELECT 1 FROM attempts a WHERE {_LAST} AND a.outcome = '{Event.LOST}')")
    values: dict[str, Any] = {}
    for name, condition in _WORDS.items():
        if (word := getattr(chosen, name)) is not None:
            parts.append(condition)
            values[name] = word
    if chosen.job_ids:
        parts.append(f"id IN ({', '.join(str(int(job)) for job in chosen.job_ids)})")
    if chosen.models:
        names = {f"model_{n}": model for n, model in enumerate(chosen.models)}
        parts.append(f"model IN ({', '.join(f':{name}' for name in names)})")
        values |= names
    return " AND ".join(parts), values


def _range(run_id: int) -> dict[str, Any]:
    return {"first": job_id(run_id, 0), "last": job_id(run_id, JOBS_MAX)}


def pick(
    connection: Connection,
    run_id: int,
    selection: JobSelection,
    rows_max: int,
    after: int | None = None,
    *,
    lock: bool = True,
) -> list[Row[Any]]:
    """Return the next chosen jobs; `lock`: until this transaction ends; `after`: only with larger ids."""
    condition, values = _condition(selection)
    locks = "FOR UPDATE OF jobs" if lock and connection.dialect.name != "sqlite" else ""
    query = text(
        f"SELECT id, state, error_code, attempt, model, {PROMPT_TOKENS}, output_tokens_max, reserved_ticks,"
        " custom_id, line, body_bytes,"
        f" EXISTS (SELECT 1 FROM attempts a WHERE {_LAST} AND a.request_id IS NOT NULL) AS was_accepted"
        f" FROM jobs WHERE {_RANGE} AND {condition} ORDER BY id LIMIT :rows {locks}"
    )
    bounds = _range(run_id) if after is None else _range(run_id) | {"first": after + 1}
    return list(connection.execute(query, {**bounds, **values, "rows": rows_max}))
