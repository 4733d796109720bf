"""Removing a run with everything of it, in chunks: SQLite lets nobody else write meanwhile.

The run is `removing` from the first transaction on, so nobody works on it or takes it for whole; after a
crash the same call goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from runner.db.job_ids import JOBS_MAX, job_id
from runner.rules.states import FINAL, JobState, RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.session import Database

ROWS_MAX: Final = 5_000
_MOVING: Final = ", ".join(f"'{s}'" for s in JobState if s not in {*FINAL, JobState.PENDING, JobState.HELD})
_AT_REST: Final = (
    f"state IN ('{RunState.LOADING}', '{RunState.READY}', '{RunState.FINISHED}', '{RunState.REMOVING}')"
    f" OR (state = '{RunState.CANCELLED}' AND finished_at_ms IS NOT NULL)"
    f" OR (state = '{RunState.PAUSED}' AND NOT EXISTS"
    f" (SELECT 1 FROM jobs WHERE id >= :first AND id < :last AND state IN ({_MOVING})))"
)
_OF_JOBS: Final = (("results", "job_id"), ("attempts", "job_id"), ("payloads", "job_id"), ("jobs", "id"))


@dataclass(frozen=True, slots=True)
class Holds:
    """What a run holds: jobs, and answers that were kept."""

    jobs: int
    answers: int


def holds(connection: Connection, run_id: int) -> Holds:
    """Count what would go."""
    counted = (
        connection.execute(
            text(f"SELECT COUNT(*) FROM {table} WHERE {column} >= :first AND {column} < :last"),
            _range(run_id),
        ).scalar_one()
        for table, column in (("jobs", "id"), ("results", "job_id"))
    )
    return Holds(*counted)


def at_rest(connection: Connection, run_id: int) -> bool:
    """Say whether nothing of a run is on its way, so that it may be removed."""
    query = text(f"SELECT 1 FROM runs WHERE id = :id AND ({_AT_REST})")
    return connection.execute(query, {"id": run_id, **_range(run_id)}).one_or_none() is not None


def begin(connection: Connection, run_id: int, state: RunState) -> bool:
    """Take a run out of everybody's hands.

    False where it is not in this state any more, or something of it is on its way. One that is being loaded
    needs the lock of its loading.
    """
    moved = connection.execute(
        text(
            f"UPDATE runs SET state = '{RunState.REMOVING}', identity = :gone, pause_reason = NULL,"
            f" pause_text = NULL WHERE id = :id AND state = :state AND ({_AT_REST})"
        ),
        {"id": run_id, "state": state, "gone": f"removed-{run_id}", **_range(run_id)},
    )
    return moved.rowcount == 1


def remove(database: Database, run_id: int, rows_max: int = ROWS_MAX) -> None:
    """Remove a run for which `begin` was called, and the run last of all."""
    while True:
        with database.write() as connection:
            if not _some(connection, run_id, rows_max):
                _rest(connection, run_id)
                return


def _some(connection: Connection, run_id: int, rows_max: int) -> bool:
    """Remove the first jobs with all that hangs on them; False where there are fewer than so many."""
    span = _range(run_id)
    bound = connection.execute(
        text("SELECT id FROM jobs WHERE id >= :first AND id < :last ORDER BY id LIMIT 1 OFFSET :rows"),
        {**span, "rows": rows_max},
    ).scalar_one_or_none()
    if bound is None:
        return False
    _delete(connection, {**span, "last": bound})
    return True


def _rest(connection: Connection, run_id: int) -> None:
    _delete(connection, _range(run_id))
    for table, column in (("run_counters", "run_id"), ("run_events", "run_id"), ("runs", "id")):
        connection.execute(text(f"DELETE FROM {table} WHERE {column} = :id"), {"id": run_id})


def _delete(connection: Connection, span: dict[str, int]) -> None:
    for table, column in _OF_JOBS:
        connection.execute(text(f"DELETE FROM {table} WHERE {column} >= :first AND {column} < :last"), span)


def _range(run_id: int) -> dict[str, int]:
    return {"first": job_id(run_id, 0), "last": job_id(run_id, JOBS_MAX)}
