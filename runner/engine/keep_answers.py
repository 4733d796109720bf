"""Keep fetched answers: spool, database, settling, and what is learned from them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db import job_moves, result_costs, results
from runner.engine import reservation, settle
from runner.engine.spool import AnswerRecord, Segment
from runner.rules import polling
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.leases import ClaimedJob, LeasedJob
    from runner.db.outcomes import Settled
    from runner.db.results import Received
    from runner.engine.runtime import Runtime
    from runner.rules.chat_completion import Completion

log = logging.getLogger("runner.collect")


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedAnswer:
    """An answer and how it was settled, written in one transaction.

    `settled` is None if it could not be settled; the reaper tries again.
    """

    received: Received
    settled: Settled | None


def store_and_settle(connection: Connection, rows: Sequence[CollectedAnswer], deltas: Deltas) -> set[int]:
    """Store answers, settle their jobs; return the ids of those that moved. Late results are only priced."""
    pairs = [(row.received, row.settled) for row in rows if row.settled is not None]
    moved = job_moves.stored_and_settled(connection, pairs, deltas)
    late = [settled for _, settled in pairs if (settled.job_id, settled.attempt) not in moved]
    if late:
        result_costs.count_late_results(connection, late, deltas)
    unsettled = [row.received for row in rows if row.settled is None]
    stored = job_moves.stored(connection, unsettled, deltas) if unsettled else set()
    return {job_id for job_id, _ in moved} | stored


def append_to_spool(
    runtime: Runtime, job: ClaimedJob, body: bytes, received_at_ms: int, *, is_answer: bool
) -> Segment | None:
    """Append what a fetch brought to the spool; None if the disk does not take it: the database may still."""
    record = AnswerRecord(
        job_id=job.lease.job_id,
        attempt=job.lease.attempt,
        received_at_ms=received_at_ms,
        request_id=job.request_id,
        body=body,
        is_answer=is_answer,
    )
    return append_or_log(runtime, lambda: runtime.spool.append_answer(record))


def append_or_log(runtime: Runtime, append: Callable[[], Segment]) -> Segment | None:
    """Append to the spool; None if the disk does not take it: the database may still."""
    try:
        return append()
    except OSError as error:
        log.error("spool.failed cause=%s", error)
        runtime.disk.write_failed(error)
        return None


async def keep(
    runtime: Runtime, job: ClaimedJob, body: bytes, answer: Completion, received_at_ms: int
) -> None:
    """Store and settle an answer, then wake the part of the worker that goes on with the job."""
    lease = job.lease
    settled = settle_or_log(
        runtime, job, answer, accepted_at_ms=job.accepted_at_ms, received_at_ms=received_at_ms
    )
    received = results.received(
        job_id=lease.job_id,
        attempt=lease.attempt,
        request_id=job.request_id,
        body=body,
        received_at_ms=received_at_ms,
    )
    row = CollectedAnswer(received=received, settled=settled)
    await runtime.group_commit.write(store_and_settle, lease.job_id, row)
    if settled is None:
        return
    _observe(runtime, job, settled)
    if settled.target is JobState.PENDING:
        runtime.submit_wakeup.set()
    else:
        runtime.run_monitor.note_ended(lease.run_id)


def settle_or_log(
    runtime: Runtime,
    job: ClaimedJob | LeasedJob,
    answer: Completion,
    *,
    accepted_at_ms: int,
    received_at_ms: int,
) -> Settled | None:
    """Return how the answer of a job is settled; None, with the error logged, if that fails.

    Such an answer is kept all the same; the reaper tries to settle it again.
    """
    subject = settle.StoredAnswer(
        job_id=job.lease.job_id,
        attempt=job.lease.attempt,
        model=job.model,
        prompt_tokens=job.prompt_tokens,
        output_tokens_max=job.output_tokens_max,
        spent=job.spent,
        extras=job.extras,
        accepted_at_ms=accepted_at_ms,
    )
    policy = runtime.policy(job.lease.run_id)
    try:
        return settle.settle_answer(subject, answer, policy=policy, now_ms=received_at_ms)
    except Exception:
        log.exception("settle.failed job=%d", job.lease.job_id)
        return None


def _observe(runtime: Runtime, job: ClaimedJob, settled: Settled) -> None:
    """Update the estimates with a settled answer."""
    cost = settled.cost
    if cost.total_tokens:
        runtime.settle_tokens(job, cost.total_tokens)
    if not runtime.estimates.is_sampled(job.model, job.lease.job_id):
        return
    observe_latency(runtime, job, runtime.clock.since_s(job.accepted_at_ms), ready=True)
    if cost.ticks:
        reservation.observe_cost(runtime, job, cost.ticks)
    if cost.total_tokens:
        runtime.observe_tokens(job, cost.total_tokens)


def observe_latency(runtime: Runtime, job: ClaimedJob, age_s: float, *, ready: bool) -> None:
    """Update the latency with a poll of a job at `age_s`."""
    learned, charged = runtime.estimates, runtime.polls_charged(job.model)
    asked_s = polling.last_poll_age_s(age_s, job.polls, latency=learned.latency(job.model), charged=charged)
    learned.observe_latency(job.model, asked_s, age_s, ready=ready)
