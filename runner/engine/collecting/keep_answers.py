"""Keep fetched answers: spool, database, settling, and what is learned from them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.answers import results
from runner.db.counts import result_costs
from runner.db.moves import result_moves
from runner.engine.collecting import settle
from runner.engine.storing.spool import AnswerRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.answers.results import Received
    from runner.db.counts.counters import Deltas
    from runner.db.moves.outcomes import Cost, Settled
    from runner.db.workers.leases import ClaimedJob, LeasedJob
    from runner.engine.collecting.poll_schedule import PollSchedule
    from runner.engine.collecting.settle import Policy
    from runner.engine.limits.model_buckets import ModelBuckets
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.sending.job_estimates import JobEstimates
    from runner.engine.storing.move_jobs import JobMover
    from runner.engine.storing.spool import Segment
    from runner.engine.storing.spool_writer import SpoolWriter
    from runner.limiter.limiter import Limiter
    from runner.rules.replies.chat_completion import Completion

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
    moved = result_moves.stored_and_settled(connection, pairs, deltas)
    late = [settled for _, settled in pairs if (settled.job_id, settled.attempt) not in moved]
    if late:
        result_costs.count_late_results(connection, late, deltas)
    unsettled = [row.received for row in rows if row.settled is None]
    stored = result_moves.stored(connection, unsettled, deltas) if unsettled else set()
    return {job_id for job_id, _ in moved} | stored


def spool_record(job: ClaimedJob, body: bytes, received_at_ms: int, *, is_answer: bool) -> AnswerRecord:
    """Return what a fetch brought as a record of the spool."""
    return AnswerRecord(
        job_id=job.lease.job_id,
        attempt=job.lease.attempt,
        received_at_ms=received_at_ms,
        request_id=job.request_id,
        body=body,
        is_answer=is_answer,
    )


def received_of(record: AnswerRecord) -> Received:
    """Return the answer of a record of the spool as a row of the database."""
    return results.received(
        job_id=record.job_id,
        attempt=record.attempt,
        request_id=record.request_id,
        body=record.body,
        received_at_ms=record.received_at_ms,
    )


class AnswerKeeper:
    """Keeps the answers that this process fetches, and learns from them."""

    def __init__(
        self,
        *,
        spool: SpoolWriter,
        mover: JobMover,
        runs: ActiveRuns,
        limiter: Limiter,
        buckets: ModelBuckets,
        estimates: JobEstimates,
        schedule: PollSchedule,
    ) -> None:
        self._spool, self._mover, self._runs = spool, mover, runs
        self._limiter, self._buckets = limiter, buckets
        self._estimates, self._schedule = estimates, schedule

    def write_to_spool(self, record: AnswerRecord) -> Segment | None:
        """Write an answer to the spool; None if the disk does not take it: the database may still."""
        return self._spool.answer(record)

    async def keep(self, job: ClaimedJob, record: AnswerRecord, answer: Completion) -> None:
        """Store and settle an answer, then wake the part of the worker that goes on with the job."""
        policy = await self._runs.settling_policy(job.lease.run_id)
        settled = settle_or_log(job, answer, policy, job.accepted_at_ms, record.received_at_ms)
        row = CollectedAnswer(received=received_of(record), settled=settled)
        await self._mover.store(store_and_settle, record.job_id, row, settled)
        if settled is not None:
            self._observe(job, settled.cost)

    def _observe(self, job: ClaimedJob, cost: Cost) -> None:
        """Pass the real number of tokens to the limiter, whichever worker sent the job, and learn."""
        if cost.total_tokens and job.slot:
            self._limiter.settle(self._buckets.name(job.model), job.slot, cost.total_tokens)
        self._schedule.observe(job, is_ready=True)
        self._estimates.observe(job, cost.total_tokens, cost.ticks)


def settle_or_log(
    job: ClaimedJob | LeasedJob, answer: Completion, policy: Policy, accepted_at_ms: int, received_at_ms: int
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
        asks=job.asks,
    )
    try:
        return settle.settle_answer(subject, answer, policy=policy, now_ms=received_at_ms)
    except Exception:
        log.exception("settle.failed job=%d", job.lease.job_id)
        return None
