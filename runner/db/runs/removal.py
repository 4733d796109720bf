"""Removes a run with its rows, in chunks: SQLite has one writer at a time. Its series stays, for `costs`.

The run is in state `removing` from the first transaction on, so no process works on it or takes it for
complete. After a crash the same call continues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from runner.db.jobs.job_ids import JOBS_MAX, job_id
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
_JOB_TABLES: Final = (
    *(("results", "job_id"), ("unreadables", "job_id"), ("attempts", "job_id")),
    *(("payloads", "job_id"), ("jobs", "id"), ("rows", "id")),
)
_RUN_TABLES: Final = (
    *((name, "run_id") for name in ("frames", "run_counters", "run_events")),
    ("runs", "id"),
)


@dataclass(frozen=True, slots=True)
class RunContents:
    """The numbers of jobs and stored results of a run."""

    jobs: int
    answers: int


def count_contents(connection: Connection, run_id: int) -> RunContents:
    """Count what a removal of the run would delete."""
    counts = (
        connection.execute(
            text(f"SELECT COUNT(*) FROM {table} WHERE {column} >= :first AND {column} < :last"),
            _range(run_id),
        ).scalar_one()
        for table, column in (("jobs", "id"), ("results", "job_id"))
    )
    return RunContents(*counts)


def is_removable(connection: Connection, run_id: int) -> bool:
    """Return whether a run may be removed: no job of it is in flight."""
    query = text(f"SELECT 1 FROM runs WHERE id = :id AND ({_AT_REST})")
    return connection.execute(query, {"id": run_id, **_range(run_id)}).one_or_none() is not None


def begin(connection: Connection, run_id: int, state: RunState) -> bool:
    """Move a run to state `removing`; return whether it moved.

    It does not where its state is no longer `state`, or where a job of it is in flight. For a run in state
    `loading` the caller must have the lock of its identity.
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
    """Delete the rows of a run for which `begin` was called, at last the run itself.

    Its series stays: what was spent remains in the costs of its days.
    """
    while True:
        with database.write() as connection:
            if not _delete_chunk(connection, run_id, rows_max):
                _delete_rest(connection, run_id)
                return


def remove_unsent(database: Database, run_id: int) -> None:
    """Remove a run of which nothing was ever sent, and let the next run have its id if it is the newest.

    PostgreSQL keeps its gaps: its sequence cannot be set back safely while others load.
    """
    remove(database, run_id)
    with database.write() as connection:
        connection.execute(text("DELETE FROM run_series WHERE run_id = :id"), {"id": run_id})
        if database.is_sqlite:
            query = text("UPDATE sqlite_sequence SET seq = seq - 1 WHERE name = 'runs' AND seq = :id")
            connection.execute(query, {"id": run_id})


def _delete_chunk(connection: Connection, run_id: int, rows_max: int) -> bool:
    """Delete the first `rows_max` jobs with their rows elsewhere; return False where there are no more.

    A run may have far more rows of its table than jobs: they bound a chunk, too.
    """
    ids = _range(run_id)
    bounds = [
        connection.execute(
            text(
                f"SELECT id FROM {table} WHERE id >= :first AND id < :last ORDER BY id LIMIT 1 OFFSET :rows"
            ),
            {**ids, "rows": rows_max},
        ).scalar_one_or_none()
        for table in ("jobs", "rows")
    ]
    found = [bound for bound in bounds if bound is not None]
    if not found:
        return False
    _delete(connection, {**ids, "last": min(found)})
    return True


def _delete_rest(connection: Connection, run_id: int) -> None:
    _delete(connection, _range(run_id))
    for table, column in _RUN_TABLES:
        connection.execute(text(f"DELETE FROM {table} WHERE {column} = :id"), {"id": run_id})


def _delete(connection: Connection, ids: dict[str, int]) -> None:
    for table, column in _JOB_TABLES:
        connection.execute(text(f"DELETE FROM {table} WHERE {column} >= :first AND {column} < :last"), ids)


def _range(run_id: int) -> dict[str, int]:
    return {"first": job_id(run_id, 0), "last": job_id(run_id, JOBS_MAX)}
