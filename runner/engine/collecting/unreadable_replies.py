"""What happens to jobs whose fetch brought bytes that are no answer: counted, kept, and asked for again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.db.answers import unreadables
from runner.db.moves import job_moves
from runner.db.moves.outcomes import PollAgain, Requeue
from runner.rules.replies import unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.answers.unreadables import Repeats, UnreadableReply
    from runner.db.counts.counters import Deltas
    from runner.db.workers.orphans import OrphanedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableFetch:
    """An unreadable reply to the fetch of one job, received `age_s` seconds after the job was accepted.

    `given_up` is the move of the job if this is what the API has for it, however often it is asked; `held` is
    its move if its result has expired. A reply of another server
    (`is_foreign`) is never what the API has.
    """

    reply: UnreadableReply
    age_s: float
    rng_unit: float
    misses: int
    given_up: Requeue
    held: Requeue | None = None
    is_foreign: bool = False


def record(connection: Connection, rows: Sequence[UnreadableFetch], deltas: Deltas) -> set[int]:
    """Count unreadable replies and move their jobs on; return the ids of those that moved."""
    repeats = unreadables.record(connection, [row.reply for row in rows])
    again: list[PollAgain] = []
    given_up: list[Requeue] = []
    held: list[Requeue] = []
    for row in rows:
        reply = row.reply
        counted = repeats.get((reply.job_id, reply.attempt))
        if row.held is not None:
            held.append(row.held)
            continue
        if counted and not row.is_foreign and _is_the_answer(counted):
            given_up.append(row.given_up)
            continue
        # Nothing is counted of a reply that is older than the last one: the clock was set back.
        replies = counted.replies if counted else unreadables.count_replies(connection, reply)
        wait_s = unreadable.wait_s(replies, row.age_s, row.rng_unit)
        again.append(
            PollAgain(
                lease=row.given_up.lease,
                due_at_ms=reply.received_at_ms + int(wait_s * 1000),
                misses=row.misses,
            )
        )
    return (
        job_moves.unreadable(connection, again, deltas)
        | job_moves.unusable(connection, given_up, deltas)
        | job_moves.lost(connection, held, deltas)
    )


def _is_the_answer(counted: Repeats) -> bool:
    return unreadable.is_the_answer(counted.same, counted.same_for_s, counted.others_read)


def ask_later(
    connection: Connection,
    jobs: Sequence[OrphanedJob],
    repeats: dict[tuple[int, int], Repeats],
    now_ms: int,
    deltas: Deltas,
) -> None:
    """Poll those orphaned jobs again, after a while, whose last fetch had brought an unreadable reply.

    `repeats`: what was counted of them, by (job, attempt).
    """
    rows = []
    for job in jobs:
        counted = repeats.get((job.lease.job_id, job.lease.attempt))
        if counted is not None:
            due_at_ms = now_ms + int(unreadable.wait_s(counted.replies, age_s=0.0, rng_unit=0.5) * 1000)
            rows.append(PollAgain(lease=job.lease, due_at_ms=due_at_ms, misses=job.misses))
    job_moves.unreadable(connection, rows, deltas)
