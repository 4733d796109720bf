"""The moves of jobs whose results came: stored, settled, or both in one; each is a guarded UPDATE.

They return what they moved. A job that is missing there was moved by another process before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.db import bulk
from runner.db.answers import results
from runner.db.counts import result_costs
from runner.db.moves import attempts, guarded_update
from runner.db.moves.guarded_update import MoveRow
from runner.rules.states import FINAL, Event, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from runner.db.answers.results import Received
    from runner.db.counts.counters import Deltas
    from runner.db.moves.guarded_update import GuardedUpdate
    from runner.db.moves.outcomes import Settled

_CANCELLED = "cancelled"  # the code of a stored job that was cancelled before
_SETTLED = {
    Event.SUCCEEDED: guarded_update.SETTLED,
    Event.UNUSABLE: guarded_update.SETTLED,
    Event.GENERATION_FAILED: guarded_update.SETTLED,
    Event.INVALID: guarded_update.INVALID,
}
_STORED_AND_SETTLED = {
    Event.SUCCEEDED: guarded_update.STORED_AND_SETTLED,
    Event.UNUSABLE: guarded_update.STORED_AND_SETTLED,
    Event.GENERATION_FAILED: guarded_update.STORED_AND_SETTLED,
    Event.INVALID: guarded_update.STORED_AND_INVALID,
}


def stored(connection: Connection, answers: Sequence[Received], deltas: Deltas) -> set[int]:
    """Store results and move their jobs to stored, from any source state of the table.

    A result that was stored before moves nothing: it was settled then, and its job may be in flight again.
    That a job was cancelled is kept in its code until it is settled: it is not sent again, whatever the
    answer is.
    """
    _lock(connection, [answer.job_id for answer in answers])
    new = results.insert(connection, answers)
    moves = [MoveRow(job_id, JobState.STORED, answered_by=attempt) for job_id, attempt in sorted(new)]
    moved = guarded_update.STORED.run(connection, Event.STORED, moves, deltas)
    results.remove_without_job(connection, [key for key in new if key[0] not in moved])
    return set(moved)


def stored_and_settled(
    connection: Connection, answers: Sequence[tuple[Received, Settled]], deltas: Deltas
) -> set[tuple[int, int]]:
    """Store results and settle them in one move, as `stored` and then `settled` would.

    Return the (job, attempt) that moved their jobs. A result that was stored before moves nothing, nor does
    a second result of the same job.
    """
    _lock(connection, [row.job_id for _, row in answers])
    new = results.insert(connection, [received for received, _ in answers])
    first: dict[int, Settled] = {}
    for _, row in answers:
        if (row.job_id, row.attempt) in new:
            first.setdefault(row.job_id, row)
    moved = _settle(connection, list(first.values()), deltas, _STORED_AND_SETTLED)
    results.remove_without_job(connection, [key for key in new if key[0] not in moved])
    return {(job_id, first[job_id].attempt) for job_id in moved}


def settled(connection: Connection, rows: Sequence[Settled], deltas: Deltas) -> set[int]:
    """Move stored jobs to their end, or requeue them, as their results were classified; count the costs.

    A settlement of another result than the one that is stored now is too late and moves nothing.
    """
    return _settle(connection, rows, deltas, _SETTLED)


def _settle(
    connection: Connection, rows: Sequence[Settled], deltas: Deltas, updates: Mapping[Event, GuardedUpdate]
) -> set[int]:
    rows = _failed_where_over(connection, sorted(rows, key=lambda row: row.job_id))
    moved: set[int] = set()
    for event, update in updates.items():
        moves = [_settled_move(row) for row in rows if row.event is event]
        moved |= update.run(connection, event, moves, deltas).keys()
    ended = result_costs.apply_reserved_floor(
        connection, [row for row in rows if row.job_id in moved], deltas
    )
    attempts.record_settled(connection, ended)
    for row in ended:
        result_costs.count_result(row, deltas)
    return moved


def _settled_move(row: Settled) -> MoveRow:
    return MoveRow(
        row.job_id,
        row.target,
        due_at_ms=row.due_at_ms,
        finished_at_ms=row.at_ms if row.target in FINAL else None,
        error_code=row.cause.code if row.cause else None,
        spent=int(row.event is not Event.INVALID),
        extras=int(row.event is not Event.INVALID and row.target not in FINAL),
        answered_by=row.attempt,
        ask_tokens=row.label_check.ask_tokens if row.label_check else 0,
    )


def _lock(connection: Connection, jobs: Sequence[int]) -> None:
    """Lock jobs until the transaction ends; SQLite has one writer.

    Their source states are tried one after the other: a job that another process moves meanwhile would match
    none of them.
    """
    if connection.dialect.name != "sqlite":
        statement = "SELECT jobs.id FROM v JOIN jobs ON jobs.id = v.id ORDER BY jobs.id FOR UPDATE OF jobs"
        bulk.execute(connection, [("id", "BIGINT")], [(job,) for job in sorted(set(jobs))], statement)


def _failed_where_over(connection: Connection, rows: Sequence[Settled]) -> list[Settled]:
    """Return the rows, with FAILED for PENDING and HELD where the job was cancelled or the run is over.

    Also for PENDING after an invalid answer where the job was asked again as often as the recipe allows: a
    late answer may have been checked by what was known before. These jobs stay locked until the transaction
    ends.
    """
    again = [(row.job_id, _asks_max(row)) for row in rows if row.target not in FINAL]
    lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE OF jobs"
    found = bulk.execute(
        connection,
        [("id", "BIGINT"), ("asks_max", "INT")],
        again,
        "SELECT jobs.id FROM v JOIN jobs ON jobs.id = v.id JOIN runs ON runs.id = jobs.run_id"
        f" WHERE jobs.state = '{JobState.CANCELLED}' OR jobs.error_code = '{_CANCELLED}'"
        f" OR jobs.asks >= v.asks_max OR runs.finished_at_ms IS NOT NULL{lock}",
    )
    over = {row.id for row in found}
    return [replace(row, target=JobState.FAILED) if row.job_id in over else row for row in rows]


def _asks_max(row: Settled) -> int | None:
    """Return how often the job of an invalid answer may be asked again; None for other answers."""
    return row.label_check.asks_max if row.event is Event.INVALID and row.label_check else None
