"""Dead workers: read the spool of each and bring its jobs to a known state.

The furthest record of an attempt decides. An answer is stored, and bytes that are none are counted: older
versions wrote both alike, so they are classified here again. A request_id makes the job wait for its answer.
A POST without a reply is an unknown outcome. An attempt that was recorded but never sent is pending again.
After a loss of power the spool may lack records, so an attempt without any is an unknown outcome too.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from runner.db.answers import answers_at_once, unreadables
from runner.db.answers.unreadables import Repeats, UnreadableReply
from runner.db.counts import result_costs
from runner.db.counts.counters import Deltas
from runner.db.moves import job_moves, result_moves
from runner.db.moves.outcomes import Accepted, Cause, Requeue
from runner.db.workers import orphans, workers
from runner.db.workers.leases import Lease
from runner.engine.collecting import settle, unreadable_replies
from runner.engine.collecting.keep_answers import received_of
from runner.engine.collecting.settle import Policy
from runner.engine.recovery.requeue import fetch_again, requeue_unknown
from runner.engine.runs.cost_bounds import TABLE_PRICES
from runner.engine.storing.spool import (
    AcceptedRecord,
    AnswerRecord,
    OrphanedSpool,
    SentRecord,
    claim_orphaned,
    remove_stale,
)
from runner.rules.replies.chat_completion import read_completion
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.session import Database
    from runner.db.workers.orphans import OrphanedJob
    from runner.engine.runs.cost_bounds import PriceBasis

ANSWERS_PER_COMMIT = 200
ANSWER_BYTES_PER_COMMIT = 32 << 20
log = logging.getLogger("runner.recovery")


@dataclass(slots=True)
class _Records:
    """What a spool says of its attempts but for the answers, by (job id, attempt).

    `repeats`: what was counted of replies that were no answers.
    """

    sent: set[tuple[int, int]] = field(default_factory=set)
    accepted: dict[tuple[int, int], AcceptedRecord] = field(default_factory=dict)
    repeats: dict[tuple[int, int], Repeats] = field(default_factory=dict)


@dataclass(slots=True)
class RecoveryCounts:
    """Counts of dead workers, imported answers and ids, unknown outcomes, not sent, to be fetched again.

    `unreadable`: replies that were no answers, and were not counted before.
    """

    workers: int = 0
    answers: int = 0
    accepted: int = 0
    ambiguous: int = 0
    not_sent: int = 0
    collecting: int = 0
    unreadable: int = 0

    def add(self, other: RecoveryCounts) -> None:
        """Add what was found of another worker."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def recover_host(
    database: Database, spool_dir: Path, host: str, now_ms: int, price_basis: PriceBasis = TABLE_PRICES
) -> RecoveryCounts:
    """Recover the jobs of the dead workers of this host, and of no others; return what was found.

    Raises what failed for one of them after the others are recovered; its spool stays for the next try.
    """
    found = RecoveryCounts()
    failed: Exception | None = None
    with database.read() as connection:
        candidates = workers.without_end(connection, host)
    for worker in candidates:
        spool = claim_orphaned(spool_dir, worker)
        if spool is None:
            continue
        try:
            recovered = _recover_worker(database, spool, now_ms, price_basis)
        except Exception as error:
            log.exception("worker.not_recovered worker=%d", worker)
            failed = error
            spool.release()
        except BaseException:
            spool.release()
            raise
        else:
            spool.remove()
            found.add(recovered)
            log.info("worker.recovered worker=%d %s", worker, recovered)
    remove_stale(spool_dir, candidates)
    if failed is not None:
        raise failed
    return found


def _recover_worker(
    database: Database, spool: OrphanedSpool, now_ms: int, price_basis: PriceBasis
) -> RecoveryCounts:
    """Import the answers in batches, then bring the jobs that are left to a known state, at once."""
    records, found = _Records(), RecoveryCounts(workers=1)
    for batch in _answers_in_batches(spool, records):
        with database.write() as connection:
            deltas = Deltas(spool.worker)
            found.answers += _import_answers(connection, batch, records, deltas, price_basis)
            deltas.write(connection)
    found.unreadable += len(records.repeats)
    with database.write() as connection:
        deltas = Deltas(spool.worker)
        orphaned = orphans.of_worker(connection, spool.worker)
        submitting = [job for job in orphaned if job.state is JobState.SUBMITTING]
        found.accepted += _accept(connection, submitting, records.accepted, now_ms, deltas)
        not_sent, unknown = _without_id(submitting, records, is_whole=spool.is_whole)
        found.not_sent += _requeue_not_sent(connection, not_sent, now_ms, deltas)
        found.ambiguous += len(requeue_unknown(connection, unknown, now_ms, deltas, price_basis))
        collecting = [job for job in orphaned if job.state is JobState.COLLECTING]
        found.collecting += _poll_again(connection, collecting, records, now_ms, deltas)
        orphans.release_pending(connection, spool.worker)
        workers.record_end(connection, spool.worker, now_ms)
        deltas.write(connection)
    return found


def _without_id(
    submitting: list[OrphanedJob], records: _Records, *, is_whole: bool
) -> tuple[list[OrphanedJob], list[OrphanedJob]]:
    """Return the jobs without a request_id: those that were not sent, and those of unknown outcome.

    `is_whole`: the spool lacks no record, so what is not in it was not sent.
    """
    left = [job for job in submitting if _key(job) not in records.accepted]
    may_be_sent = [_key(job) in records.sent or not is_whole for job in left]
    not_sent = [job for job, may_be in zip(left, may_be_sent, strict=True) if not may_be]
    return not_sent, [job for job, may_be in zip(left, may_be_sent, strict=True) if may_be]


def _poll_again(
    connection: Connection, collecting: list[OrphanedJob], records: _Records, now_ms: int, deltas: Deltas
) -> int:
    """Ask again for answers that were being fetched: later, if what came was no answer. Return the others."""
    unreadable_replies.ask_later(connection, collecting, records.repeats, now_ms, deltas)
    unasked = [job for job in collecting if _key(job) not in records.repeats]
    return len(fetch_again(connection, unasked, now_ms, deltas))


def _import_answers(
    connection: Connection,
    batch: list[AnswerRecord],
    records: _Records,
    deltas: Deltas,
    price_basis: PriceBasis,
) -> int:
    """Store a batch of answers, and count the bytes that are none; return how many answers were stored."""
    answers, others = _separated(batch)
    received = [received_of(answer) for answer in answers]
    stored = result_moves.stored(connection, received, deltas)
    answers_at_once.count(connection, [row for row in received if row.job_id in stored], deltas)
    _count_late(connection, [a for a in answers if a.job_id not in stored], deltas, price_basis)
    records.repeats |= unreadables.record(connection, [_unreadable(r) for r in others])
    return len(stored)


def _count_late(
    connection: Connection, batch: list[AnswerRecord], deltas: Deltas, price_basis: PriceBasis
) -> None:
    """Count the cost of late results: their jobs had ended before they came."""
    late = {(answer.job_id, answer.attempt): answer for answer in batch}
    rows = []
    for row in orphans.jobs_of_attempts(connection, list(late)):
        answer, policy = late[row.id, row.attempt], Policy(price_basis=price_basis)
        at_ms = answer.received_at_ms
        rows.append(settle.settle(settle.stored_answer_of(row), answer.body, policy=policy, now_ms=at_ms))
    result_costs.count_late_results(connection, rows, deltas)


def _answers_in_batches(spool: OrphanedSpool, records: _Records) -> Iterator[list[AnswerRecord]]:
    """Yield the answers in batches bounded by bytes; add all else to `records`."""
    batch: list[AnswerRecord] = []
    size = 0
    for record in spool.records():
        match record:
            case SentRecord():
                records.sent.add((record.job_id, record.attempt))
            case AcceptedRecord():
                records.accepted[record.job_id, record.attempt] = record
            case AnswerRecord():
                batch.append(record)
                size += len(record.body)
        if len(batch) >= ANSWERS_PER_COMMIT or size >= ANSWER_BYTES_PER_COMMIT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _accept(
    connection: Connection,
    submitting: list[OrphanedJob],
    accepted: dict[tuple[int, int], AcceptedRecord],
    now_ms: int,
    deltas: Deltas,
) -> int:
    """Record the request ids of accepted attempts; of jobs that moved on since, only in their history.

    Return how many jobs moved.
    """
    leases = {_key(job): job.lease for job in submitting}
    rows = [
        Accepted(
            lease=leases.get(key) or Lease(job_id=record.job_id, gen=-1, attempt=record.attempt),
            request_id=record.request_id,
            sent_at_ms=record.sent_at_ms,
            accepted_at_ms=record.accepted_at_ms,
            due_at_ms=now_ms,
        )
        for key, record in accepted.items()
    ]
    return len(job_moves.accepted(connection, rows, deltas))


def _requeue_not_sent(connection: Connection, left: list[OrphanedJob], now_ms: int, deltas: Deltas) -> int:
    cause = Cause(code="process-ended", message="the process ended before it sent the job")
    rows = [
        Requeue(lease=job.lease, target=JobState.PENDING, due_at_ms=now_ms, at_ms=now_ms, cause=cause)
        for job in left
    ]
    return len(job_moves.not_sent(connection, rows, deltas))


def _key(job: OrphanedJob) -> tuple[int, int]:
    return job.lease.job_id, job.lease.attempt


def _separated(batch: list[AnswerRecord]) -> tuple[list[AnswerRecord], list[AnswerRecord]]:
    """Return the records of answers, and those of bytes that are none."""
    answers: list[AnswerRecord] = []
    others: list[AnswerRecord] = []
    for record in batch:
        (answers if read_completion(record.body).is_final else others).append(record)
    return answers, others


def _unreadable(record: AnswerRecord) -> UnreadableReply:
    return UnreadableReply(
        job_id=record.job_id,
        attempt=record.attempt,
        received_at_ms=record.received_at_ms,
        body=record.body,
    )
