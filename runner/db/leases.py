"""Who may work on which job: claims under a lease, renewals, and leases that ran out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db import bulk
from runner.db.job_ids import JOBS_MAX, job_id, run_of
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.counters import Deltas


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to move one job: it holds while the job's `lease_gen` is still `gen`."""

    job_id: int
    gen: int
    attempt: int

    @property
    def run_id(self) -> int:
        """Return the run that the job belongs to."""
        return run_of(self.job_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which pending jobs a process may lease at once, and how many.

    With `ordinals_max` only the first so many jobs of the file; `never_in_doubt`: only those none of whose
    requests ended without a reply.
    """

    rows_max: int
    bytes_max: int
    ordinals_max: int | None = None
    never_in_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A pending job that one process is about to send."""

    lease: Lease
    custom_id: str
    model: str
    prompt_tokens: int
    output_tokens_max: int | None
    body_bytes: int
    spent: int
    extras: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A waiting job whose answer one process is about to ask for."""

    lease: Lease
    model: str
    request_id: str
    accepted_at_ms: int
    polls: int
    misses: int
    spent: int
    extras: int
    prompt_tokens: int
    output_tokens_max: int | None
    slot: str | None


def lease_pending(
    connection: Connection, share: Share, *, run_id: int, worker: int, now_ms: int, until_ms: int
) -> list[Leased]:
    """Lease the next pending jobs of a run, in file order."""
    only_sound = " AND extras = 0" if share.never_in_doubt else ""
    rows = connection.execute(
        text(
            "WITH c AS MATERIALIZED (SELECT id FROM jobs WHERE run_id = :run AND state = 'pending'"
            " AND id < :last AND due_at_ms <= :now AND (lease_until_ms IS NULL OR lease_until_ms <= :now)"
            f"{only_sound} ORDER BY id LIMIT :rows {_skip_locked(connection)})"
            " UPDATE jobs SET lease_owner = :worker, lease_until_ms = :until, lease_gen = lease_gen + 1"
            " WHERE id IN (SELECT id FROM c)"
            " RETURNING id, lease_gen, attempt, custom_id, model, prompt_tokens, output_tokens_max,"
            " body_bytes, spent, extras"
        ),
        {
            "run": run_id,
            "worker": worker,
            "now": now_ms,
            "until": until_ms,
            "rows": share.rows_max,
            "last": job_id(run_id, JOBS_MAX if share.ordinals_max is None else share.ordinals_max),
        },
    ).all()
    leased = sorted((_leased(row) for row in rows), key=lambda job: job.lease.job_id)
    kept: list[Leased] = []
    size = 0
    for job in leased:
        size += job.body_bytes
        if kept and size > share.bytes_max:
            break
        kept.append(job)
    release(connection, [job.lease for job in leased[len(kept) :]])
    return kept


def claim_waiting(
    connection: Connection,
    *,
    worker: int,
    now_ms: int,
    until_ms: int,
    rows_max: int,
    deltas: Deltas,
    accepted_before_ms: int | None = None,
) -> list[Claimed]:
    """Claim waiting jobs that are due, the longest due first (the move `claim`).

    With `accepted_before_ms` only those that the API accepted before it.
    """
    only_old = "" if accepted_before_ms is None else " AND accepted_at_ms < :before"
    rows = connection.execute(
        text(
            "WITH c AS MATERIALIZED (SELECT id FROM jobs WHERE state = 'waiting' AND due_at_ms <= :now"
            f"{only_old} ORDER BY due_at_ms LIMIT :rows {_skip_locked(connection)})"
            " UPDATE jobs SET state = 'collecting', lease_owner = :worker, lease_until_ms = :until,"
            " lease_gen = lease_gen + 1, polls = polls + 1"
            " WHERE id IN (SELECT id FROM c) AND state = 'waiting'"
            " RETURNING id, lease_gen, attempt, model, request_id, accepted_at_ms, polls, misses, spent,"
            " extras, prompt_tokens, output_tokens_max, due_at_ms, (SELECT a.slot FROM attempts a"
            " WHERE a.job_id = jobs.id AND a.attempt = jobs.attempt) AS slot"
        ),
        {"worker": worker, "now": now_ms, "until": until_ms, "rows": rows_max}
        | ({} if accepted_before_ms is None else {"before": accepted_before_ms}),
    ).all()
    for row in rows:
        deltas.moved(run_of(row.id), JobState.WAITING, JobState.COLLECTING)
        deltas.add(run_of(row.id), "attempts", "polls")
    return [_claimed(row) for row in sorted(rows, key=lambda row: row.due_at_ms)]


def release(connection: Connection, leases: Sequence[Lease]) -> None:
    """Give pending jobs back that were leased and not sent."""
    if leases:
        bulk.execute(
            connection,
            [("id", "BIGINT"), ("gen", "INT")],
            [(lease.job_id, lease.gen) for lease in leases],
            "UPDATE jobs SET lease_owner = NULL, lease_until_ms = NULL FROM v"
            " WHERE jobs.id = v.id AND jobs.lease_gen = v.gen"
            f" AND {bulk.unindexed('jobs.state', JobState.PENDING)}",
        )


def make_due(connection: Connection, now_ms: int) -> None:
    """Make due what is to wait until later: the clock was set back, and nobody knows for how long that is."""
    connection.execute(
        text("UPDATE jobs SET due_at_ms = :now WHERE state IN ('waiting', 'pending') AND due_at_ms > :now"),
        {"now": now_ms},
    )


def next_due_ms(connection: Connection) -> int | None:
    """Return when the next waiting job is due, or None when none waits."""
    return connection.execute(
        text("SELECT MIN(due_at_ms) FROM jobs WHERE state = 'waiting'")
    ).scalar_one_or_none()


def _skip_locked(connection: Connection) -> str:
    return "" if connection.dialect.name == "sqlite" else "FOR UPDATE SKIP LOCKED"


def _leased(row: Row[Any]) -> Leased:
    return Leased(
        lease=Lease(job_id=row.id, gen=row.lease_gen, attempt=row.attempt + 1),
        custom_id=row.custom_id,
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        output_tokens_max=row.output_tokens_max,
        body_bytes=row.body_bytes,
        spent=row.spent,
        extras=row.extras,
    )


def _claimed(row: Row[Any]) -> Claimed:
    return Claimed(
        lease=Lease(job_id=row.id, gen=row.lease_gen, attempt=row.attempt),
        model=row.model,
        request_id=row.request_id,
        accepted_at_ms=row.accepted_at_ms,
        polls=row.polls,
        misses=row.misses,
        spent=row.spent,
        extras=row.extras,
        prompt_tokens=row.prompt_tokens,
        output_tokens_max=row.output_tokens_max,
        slot=row.slot,
    )
