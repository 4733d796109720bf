"""The replies to fetches that were no answers: how many came for an attempt, the first and the last one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db import bulk
from runner.db.counts import counters
from runner.db.jobs.job_ids import run_of
from runner.rules.replies.unreadable import BODY_BYTES_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_AS_BEFORE = "unreadables.last_sha256 = excluded.last_sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableReply:
    """One reply that was no answer."""

    job_id: int
    attempt: int
    received_at_ms: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """The unreadable replies of one attempt so far.

    `same` of them, the last ones, were equal: over `same_for_s` seconds, in which the run read `others_read`
    answers.
    """

    replies: int
    same: int
    same_for_s: float
    others_read: int


def record(connection: Connection, rows: Sequence[UnreadableReply]) -> dict[tuple[int, int], Repeats]:
    """Count replies; return, by (job, attempt), what was counted: not one that was counted before."""
    read = {run_id: _answers_read(connection, run_id) for run_id in {run_of(row.job_id) for row in rows}}
    found: dict[tuple[int, int], Repeats] = {}
    for part in _without_repeats(rows):
        for row in _insert(connection, part, read):
            found[row.job_id, row.attempt] = Repeats(
                replies=row.replies,
                same=row.same,
                same_for_s=(row.last_at_ms - row.same_since_ms) / 1000,
                others_read=read[run_of(row.job_id)] - row.answers_before,
            )
    return found


def count_replies(connection: Connection, reply: UnreadableReply) -> int:
    """Return how many replies were counted for the attempt of this one."""
    query = text("SELECT replies FROM unreadables WHERE job_id = :job AND attempt = :attempt")
    return connection.execute(query, {"job": reply.job_id, "attempt": reply.attempt}).scalar() or 0


def of_job(connection: Connection, job_id: int) -> list[Row[Any]]:
    """Return what came for each attempt of a job, oldest attempt first."""
    return list(
        connection.execute(
            text(
                "SELECT attempt, replies, first_at_ms, last_at_ms, first_body, last_body, last_bytes"
                " FROM unreadables WHERE job_id = :job ORDER BY attempt"
            ),
            {"job": job_id},
        )
    )


def _insert(connection: Connection, rows: Sequence[UnreadableReply], read: dict[int, int]) -> list[Row[Any]]:
    return bulk.execute(
        connection,
        [
            *(("job_id", "BIGINT"), ("attempt", "INT"), ("at", "BIGINT"), ("body", "BYTEA")),
            *(("sha256", "TEXT"), ("bytes", "INT"), ("answers", "BIGINT")),
        ],
        [
            (
                row.job_id,
                row.attempt,
                row.received_at_ms,
                row.body[:BODY_BYTES_KEPT],
                hashlib.sha256(row.body).hexdigest(),
                len(row.body),
                read[run_of(row.job_id)],
            )
            for row in rows
        ],
        "INSERT INTO unreadables (job_id, attempt, replies, first_at_ms, last_at_ms, first_body, last_body,"
        " last_sha256, last_bytes, same, same_since_ms, answers_before)"
        " SELECT v.job_id, v.attempt, 1, v.at, v.at, v.body, v.body, v.sha256, v.bytes, 1, v.at, v.answers"
        " FROM v JOIN attempts ON attempts.job_id = v.job_id AND attempts.attempt = v.attempt"
        " WHERE v.job_id IS NOT NULL"
        " ON CONFLICT (job_id, attempt) DO UPDATE SET replies = unreadables.replies + 1,"
        " last_at_ms = excluded.last_at_ms, last_body = excluded.last_body,"
        " last_sha256 = excluded.last_sha256, last_bytes = excluded.last_bytes,"
        f" same = CASE WHEN {_AS_BEFORE} THEN unreadables.same + 1 ELSE 1 END,"
        f" same_since_ms = CASE WHEN {_AS_BEFORE} THEN unreadables.same_since_ms"
        " ELSE excluded.last_at_ms END,"
        f" answers_before = CASE WHEN {_AS_BEFORE} THEN unreadables.answers_before"
        " ELSE excluded.answers_before END"
        " WHERE excluded.last_at_ms > unreadables.last_at_ms"
        " RETURNING job_id, attempt, replies, same, same_since_ms, last_at_ms, answers_before",
    )


def _without_repeats(rows: Sequence[UnreadableReply]) -> Iterator[list[UnreadableReply]]:
    """Yield the rows in parts that have each attempt once: a statement changes a row at most once."""
    left = list(rows)
    while left:
        part: dict[tuple[int, int], UnreadableReply] = {}
        left = [row for row in left if part.setdefault((row.job_id, row.attempt), row) is not row]
        yield list(part.values())


def _answers_read(connection: Connection, run_id: int) -> int:
    return counters.read(connection, run_id, "attempts").get(("attempts", "collected"), 0)
