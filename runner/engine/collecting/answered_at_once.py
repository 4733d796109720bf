"""Answers that come in reply to a submit: a gateway answers at once and drops `deferred`. They are paid.

Such an answer is kept like a fetched one, under an id of our own, since the API gave none: the numbers of the
job and the attempt. A run with too many of them pauses: its settings name the wrong address.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.answers import answers_at_once
from runner.db.moves import job_moves
from runner.db.moves.outcomes import Accepted
from runner.engine.collecting.keep_answers import (
    CollectedAnswer,
    received_of,
    settle_or_log,
    store_and_settle,
)
from runner.engine.storing.spool import AcceptedRecord, AnswerRecord
from runner.rules.identity import attempt_name
from runner.rules.replies import kept_bytes
from runner.rules.replies.chat_completion import read_completion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.workers.leases import Lease
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.sending.sender import ReadyAttempt
    from runner.engine.storing.move_jobs import JobMover
    from runner.engine.storing.spool import Segment
    from runner.engine.storing.spool_writer import SpoolWriter
    from runner.limiter.limiter import Limiter

log = logging.getLogger("runner.submit")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredAttempt:
    """An attempt that was answered at once: its acceptance, and its answer."""

    accepted: Accepted
    collected: CollectedAnswer


def answer_id(lease: Lease) -> str:
    """Return the id under which such an answer is stored; no request_id of the API looks like it."""
    return attempt_name(lease.job_id, lease.attempt)


def store_answered(connection: Connection, rows: Sequence[AnsweredAttempt], deltas: Deltas) -> set[int]:
    """Store and settle such answers; pause runs with too many of them. Return the jobs that moved."""
    job_moves.accepted(connection, [row.accepted for row in rows], deltas)
    moved = store_and_settle(connection, [row.collected for row in rows], deltas)
    answers_at_once.count(connection, [row.collected.received for row in rows], deltas)
    return moved


class AnswersAtOnce:
    """Keeps such answers. `secrets`: what a gateway may repeat in a body that is no answer."""

    def __init__(
        self,
        *,
        spool: SpoolWriter,
        mover: JobMover,
        runs: ActiveRuns,
        limiter: Limiter,
        secrets: tuple[str, ...],
        now_ms: Callable[[], int],
    ) -> None:
        self._spool, self._mover, self._runs = spool, mover, runs
        self._limiter, self._secrets, self._now_ms = limiter, secrets, now_ms

    async def keep(self, attempt: ReadyAttempt, body: bytes, sent_at_ms: int) -> None:
        """Keep one: in the spool at once, then in the database, priced and settled."""
        body, answer = kept_bytes.to_keep(body, read_completion(body), self._secrets)
        job, slot, now_ms = attempt.job, attempt.slot, self._now_ms()
        lease, policy = job.lease, await self._runs.settling_policy(job.lease.run_id)
        record = AnswerRecord(
            job_id=lease.job_id,
            attempt=lease.attempt,
            received_at_ms=now_ms,
            request_id=answer_id(lease),
            body=body,
        )
        segment = self._write_to_spool(record, sent_at_ms)
        settled = settle_or_log(job, answer, policy, sent_at_ms, now_ms)
        accepted = Accepted(
            lease=lease,
            request_id=answer_id(lease),
            sent_at_ms=sent_at_ms,
            accepted_at_ms=sent_at_ms,
            due_at_ms=now_ms,
        )
        collected = CollectedAnswer(received=received_of(record), settled=settled)
        row = AnsweredAttempt(accepted=accepted, collected=collected)
        await self._mover.store(store_answered, lease.job_id, row, settled)
        if segment is not None:
            segment.acknowledge()
        if settled is not None and settled.cost.total_tokens:
            self._limiter.settle(slot.bucket, slot.id, settled.cost.total_tokens)
        log.warning("answer.not_deferred run=%d job=%d", lease.run_id, lease.job_id)
        await self._runs.read(fresh=True)  # it may be paused now: nothing more is sent

    def _write_to_spool(self, answer: AnswerRecord, sent_at_ms: int) -> Segment | None:
        accepted = AcceptedRecord(
            job_id=answer.job_id,
            attempt=answer.attempt,
            sent_at_ms=sent_at_ms,
            accepted_at_ms=sent_at_ms,
            request_id=answer.request_id,
        )
        return self._spool.answered(accepted, answer)
