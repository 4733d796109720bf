"""Leases: a process leases pending jobs to send them, or claims waiting jobs to fetch their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row, text

from runner.db import statements
from runner.db.jobs.job_ids import JOBS_MAX, job_id, run_of
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.counts.counters import Deltas

# Of the request that is sent next or is in flight: asking again adds the invalid answer and its fault.
PROMPT_TOKENS: Final = "prompt_tokens + ask_tokens AS prompt_tokens"
_LEASE: Final = statements.read("lease")
_CLAIM: Final = statements.read("claim")
_RELEASE: Final = statements.read("release")
_ANY_EXTRAS: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to move one job: valid while the job's `lease_gen` is still `gen`.

    `attempt` is the attempt that the holder sends or fetches.
    """

    job_id: int
    gen: int
    attempt: int

    @property
    def run_id(self) -> int:
        """Return the run that the job belongs to."""
        return run_of(self.job_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLimits:
    """Which pending jobs a process may lease in one call, and how many.

    `bytes_max` bounds the sum of the bodies. `ordinals_max`: only the first jobs of the file, up to this
    number. `without_extras`: only jobs without extras, so without a request of unknown outcome.
    """

    rows_max: int
    bytes_max: int
    ordinals_max: int | None = None
    without_extras: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedJob:
    """A pending job that this process has leased to send.

    `prompt_tokens` are those of the request that is sent. A job that is asked again has the attempt whose
    answer was invalid in `asked_after`; `asks` counts how often it was.
    """

    lease: Lease
    model: str
    prompt_tokens: int
    output_tokens_max: int | None
    body_bytes: int
    spent: int
    extras: int
    due_at_ms: int  # since when it may be sent; 0: since it was loaded
    asks: int = 0
    asked_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A waiting job that this process has claimed to fetch its result."""

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
    is_interrupted: bool  # a fetch of it died with its process, and perhaps took the answer along
    asks: int = 0  # how often it was asked again because an answer was invalid


def lease_pending(
    connection: Connection, limits: LeaseLimits, *, run_id: int, worker: int, now_ms: int, until_ms: int
) -> list[LeasedJob]:
    """Lease the next pending jobs of a run and return them in file order.

    A job larger than `limits.bytes_max` is leased alone.
    """
    rows = _LEASE.with_values(
        connection,
        {
            "run": run_id,
            "worker": worker,
            "now": now_ms,
            "until": until_ms,
            "rows": limits.rows_max,
            "last": job_id(run_id, JOBS_MAX if limits.ordinals_max is None else limits.ordinals_max),
            "extras_max": 0 if limits.without_extras else _ANY_EXTRAS,
        },
        skip_locked=statements.skip_locked(connection),
    )
    leased = sorted((_leased(row) for row in rows), key=lambda job: job.lease.job_id)
    fitting: list[LeasedJob] = []
    size = 0
    for job in leased:
        size += job.body_bytes
        if fitting and size > limits.bytes_max:
            break
        fitting.append(job)
    release(connection, [job.lease for job in leased[len(fitting) :]])
    return fitting


def claim_waiting(
    connection: Connection,
    *,
    worker: int,
    now_ms: int,
    until_ms: int,
    rows_max: int,
    deltas: Deltas,
    accepted_before_ms: int | None = None,
    without_runs: Sequence[int] = (),
) -> list[ClaimedJob]:
    """Claim waiting jobs that are due (the move `claim`) and return them, the longest due first.

    With `accepted_before_ms` only those that the API accepted before that time. `without_runs`: not those of
    these runs.
    """
    rows = _CLAIM.with_values(
        connection,
        {
            "worker": worker,
            "now": now_ms,
            "until": until_ms,
            "rows": rows_max,
            "accepted_before": accepted_before_ms,
        },
        skip_locked=statements.skip_locked(connection),
        without_runs=not_of(without_runs),
    )
    for row in rows:
        deltas.move_jobs(run_of(row.id), JobState.WAITING, JobState.COLLECTING)
        deltas.add(run_of(row.id), "attempts", "polls", model=row.model)
    return [_claimed(row) for row in sorted(rows, key=lambda row: row.due_at_ms)]


def release(connection: Connection, leases: Sequence[Lease]) -> None:
    """Release the leases of pending jobs that were not sent."""
    _RELEASE.with_rows(connection, [(lease.job_id, lease.gen) for lease in leases])


def make_all_due(connection: Connection, now_ms: int) -> None:
    """Make all later jobs due now: the clock was set back, and their due times may be far ahead."""
    connection.execute(
        text("UPDATE jobs SET due_at_ms = :now WHERE state IN ('waiting', 'pending') AND due_at_ms > :now"),
        {"now": now_ms},
    )


def next_due_ms(connection: Connection, without_runs: Sequence[int] = ()) -> int | None:
    """Return the time at which the next waiting job is due, or None where no job is waiting.

    `without_runs`: jobs of these runs do not count.
    """
    return connection.execute(
        text(f"SELECT MIN(due_at_ms) FROM jobs WHERE state = 'waiting'{not_of(without_runs)}")
    ).scalar_one_or_none()


def not_of(run_ids: Sequence[int]) -> str:
    """Return a condition, in SQL, that leaves out the jobs of some runs; "" without any."""
    return f" AND run_id NOT IN ({', '.join(str(int(run_id)) for run_id in run_ids)})" if run_ids else ""


def _leased(row: Row[Any]) -> LeasedJob:
    return LeasedJob(
        lease=Lease(job_id=row.id, gen=row.lease_gen, attempt=row.attempt + 1),
        model=row.model,
        prompt_tokens=row.prompt_tokens,
        output_tokens_max=row.output_tokens_max,
        body_bytes=row.body_bytes,
        spent=row.spent,
        extras=row.extras,
        due_at_ms=row.due_at_ms,
        asks=row.asks,
        asked_after=row.asked_after,
    )


def _claimed(row: Row[Any]) -> ClaimedJob:
    return ClaimedJob(
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
        is_interrupted=row.interrupted_at_ms is not None,
        asks=row.asks,
    )
