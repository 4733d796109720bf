"""Orphaned jobs: what crashed or frozen workers left in the tables, for recovery and the reaper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db import bulk
from runner.db.workers.leases import PROMPT_TOKENS, Lease, not_of
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanedJob:
    """A job that a dead or stalled worker was sending or collecting."""

    lease: Lease
    state: JobState
    model: str
    prompt_tokens: int
    output_tokens_max: int | None
    extras: int
    misses: int


# The condition of ix_jobs_held_by_a_process, to stand beside the states that are meant: SQLite uses a partial
# index where its condition is in the query, word for word.
_IN_THE_INDEX = "state IN ('submitting', 'collecting', 'stored')"
_SELECT = (
    f"SELECT id, lease_gen, attempt, state, model, {PROMPT_TOKENS}, output_tokens_max, extras, misses"
    " FROM jobs"
)


def of_worker(connection: Connection, worker: int) -> list[OrphanedJob]:
    """Return the jobs that a dead worker was sending or collecting, whatever their leases."""
    rows = connection.execute(
        text(f"{_SELECT} WHERE state IN ('submitting', 'collecting') AND lease_owner = :worker"),
        {"worker": worker},
    )
    return [_orphan(row) for row in rows]


def expired_of_dead_workers(
    connection: Connection, now_ms: int, rows_max: int, *, alive_since_ms: int
) -> list[OrphanedJob]:
    """Return jobs being sent or collected under expired leases of workers without a recent heartbeat.

    A worker with a heartbeat since `alive_since_ms` reclaims its own jobs.
    """
    rows = connection.execute(
        text(
            f"{_SELECT} WHERE {_IN_THE_INDEX}"
            " AND state IN ('submitting', 'collecting') AND lease_until_ms <= :now"
            " AND NOT EXISTS (SELECT 1 FROM workers WHERE workers.id = lease_owner"
            " AND workers.ended_at_ms IS NULL AND workers.seen_at_ms >= :since)"
            " ORDER BY lease_until_ms LIMIT :rows"
        ),
        {"now": now_ms, "rows": rows_max, "since": alive_since_ms},
    )
    return [_orphan(row) for row in rows]


def expired_of_worker(connection: Connection, worker: int, now_ms: int) -> list[OrphanedJob]:
    """Return the jobs that a worker was sending or collecting and whose leases have expired."""
    rows = connection.execute(
        text(
            f"{_SELECT} WHERE {_IN_THE_INDEX}"
            " AND state IN ('submitting', 'collecting') AND lease_until_ms <= :now AND lease_owner = :worker"
        ),
        {"now": now_ms, "worker": worker},
    )
    return [_orphan(row) for row in rows]


def unsettled_results(
    connection: Connection, rows_max: int, without_runs: Sequence[int] = ()
) -> list[Row[Any]]:
    """Return stored results that were not settled, with their jobs, attempts and bytes.

    `without_runs`: not those of these runs.
    """
    return list(
        connection.execute(
            text(
                "SELECT j.id, j.answered_by AS attempt, j.model,"
                " j.prompt_tokens + j.ask_tokens AS prompt_tokens, j.output_tokens_max,"
                " j.spent, j.extras, j.asks, j.settle_tries, j.lease_until_ms,"
                " r.body, r.received_at_ms, a.accepted_at_ms"
                " FROM jobs j JOIN results r ON r.job_id = j.id AND r.attempt = j.answered_by"
                " LEFT JOIN attempts a ON a.job_id = j.id AND a.attempt = j.answered_by"
                f" WHERE j.{_IN_THE_INDEX} AND j.state = 'stored'"
                f"{not_of(without_runs)} ORDER BY j.id LIMIT :rows"
            ),
            {"rows": rows_max},
        )
    )


def jobs_of_attempts(connection: Connection, keys: Sequence[tuple[int, int]]) -> list[Row[Any]]:
    """Return the job and attempt columns of some (job, attempt) that may have late results."""
    return bulk.execute(
        connection,
        [("job_id", "BIGINT"), ("attempt", "INT")],
        keys,
        "SELECT j.id, a.attempt, j.model, j.prompt_tokens + j.ask_tokens AS prompt_tokens,"
        " j.output_tokens_max, j.spent, j.extras, j.asks, a.accepted_at_ms"
        " FROM v JOIN jobs j ON j.id = v.job_id"
        " JOIN attempts a ON a.job_id = v.job_id AND a.attempt = v.attempt",
    )


def count_settle_try(connection: Connection, job_id: int) -> None:
    """Count a try to settle a stored result, before the try: one that kills its process is tried thrice."""
    connection.execute(
        text("UPDATE jobs SET settle_tries = settle_tries + 1 WHERE id = :id AND state = 'stored'"),
        {"id": job_id},
    )


def release_pending(connection: Connection, worker: int) -> None:
    """Release the pending jobs that a dead worker had leased."""
    connection.execute(
        text(
            "UPDATE jobs SET lease_owner = NULL, lease_until_ms = NULL"
            " WHERE state = 'pending' AND lease_owner = :worker"
        ),
        {"worker": worker},
    )


def _orphan(row: Row[Any]) -> OrphanedJob:
    return OrphanedJob(
        lease=Lease(job_id=row.id, gen=row.lease_gen, attempt=row.attempt),
        state=JobState(row.state),
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        output_tokens_max=row.output_tokens_max,
        extras=row.extras,
        misses=row.misses,
    )
