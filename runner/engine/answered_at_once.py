"""Answers that come in reply to a submit: a gateway answers at once and drops `deferred`. They are paid.

Such an answer is kept like a fetched one, under an id of our own, since the API gave none: the numbers of the
job and the attempt. A run with too many of them pauses: its settings name the wrong address.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db import answers_at_once, job_moves, results
from runner.db.outcomes import Accepted
from runner.engine.keep_answers import (
    CollectedAnswer,
    append_or_log,
    settle_or_log,
    store_and_settle,
)
from runner.engine.spool import AcceptedRecord, AnswerRecord
from runner.rules.identity import attempt_name
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.leases import Lease, LeasedJob
    from runner.engine.runtime import Runtime
    from runner.engine.spool import Segment
    from runner.limiter.limiter import Slot
    from runner.rules.chat_completion import Completion

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


async def keep_answer(
    runtime: Runtime, job: LeasedJob, slot: Slot, body: bytes, answer: Completion, sent_at_ms: int
) -> None:
    """Keep such an answer: in the spool at once, then in the database, priced and settled."""
    lease, now_ms = job.lease, runtime.now_ms()
    segment = _spool(runtime, lease, body, sent_at_ms, now_ms)
    settled = settle_or_log(runtime, job, answer, accepted_at_ms=sent_at_ms, received_at_ms=now_ms)
    received = results.received(
        job_id=lease.job_id,
        attempt=lease.attempt,
        request_id=answer_id(lease),
        body=body,
        received_at_ms=now_ms,
    )
    accepted = Accepted(
        lease=lease,
        request_id=answer_id(lease),
        sent_at_ms=sent_at_ms,
        accepted_at_ms=sent_at_ms,
        due_at_ms=now_ms,
    )
    collected = CollectedAnswer(received=received, settled=settled)
    row = AnsweredAttempt(accepted=accepted, collected=collected)
    await runtime.group_commit.write(store_answered, lease.job_id, row)
    if segment is not None:
        segment.acknowledge()
    if settled is not None and settled.cost.total_tokens:
        runtime.limiter.settle(slot.bucket, slot.id, settled.cost.total_tokens)
    log.warning("answer.not_deferred run=%d job=%d", lease.run_id, lease.job_id)
    await runtime.active_runs(fresh=True)  # it may be paused now: nothing more is sent
    if settled is None or settled.target is not JobState.PENDING:
        runtime.run_monitor.note_ended(lease.run_id)


def _spool(runtime: Runtime, lease: Lease, body: bytes, sent_at_ms: int, now_ms: int) -> Segment | None:
    accepted = AcceptedRecord(
        job_id=lease.job_id,
        attempt=lease.attempt,
        sent_at_ms=sent_at_ms,
        accepted_at_ms=sent_at_ms,
        request_id=answer_id(lease),
    )
    answer = AnswerRecord(
        job_id=lease.job_id,
        attempt=lease.attempt,
        received_at_ms=now_ms,
        request_id=answer_id(lease),
        body=body,
    )
    return append_or_log(runtime, lambda: runtime.spool.append_answered(accepted, answer))
