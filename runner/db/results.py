"""The answers' bytes, verbatim, one row a request_id; and the request bodies they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, text

from runner.db import bulk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One fetched answer."""

    job_id: int
    attempt: int
    request_id: str
    body: bytes
    sha256: str
    received_at_ms: int


def insert(connection: Connection, rows: Sequence[Received]) -> set[tuple[int, int]]:
    """Keep answers; one that is kept already stays as it is. Return (job, attempt) of those that are new."""
    if not rows:
        return set()
    found = bulk.execute(
        connection,
        [
            ("job_id", "BIGINT"),
            ("attempt", "INT"),
            ("request_id", "TEXT"),
            ("body", "BYTEA"),
            ("sha256", "TEXT"),
            ("at", "BIGINT"),
        ],
        [(r.job_id, r.attempt, r.request_id, r.body, r.sha256, r.received_at_ms) for r in rows],
        "INSERT INTO results (job_id, attempt, request_id, body, sha256, received_at_ms)"
        " SELECT job_id, attempt, request_id, body, sha256, at FROM v WHERE job_id IS NOT NULL"
        " ON CONFLICT DO NOTHING RETURNING job_id, attempt",
    )
    return {(row.job_id, row.attempt) for row in found}


def bodies(connection: Connection, job_ids: Sequence[int]) -> dict[int, tuple[bytes, str | None]]:
    """Return request bodies and conversation ids by job."""
    if not job_ids:
        return {}
    rows = bulk.execute(
        connection,
        [("job_id", "BIGINT")],
        [(job_id,) for job_id in job_ids],
        "SELECT payloads.job_id, payloads.body, payloads.conv_id"
        " FROM v JOIN payloads ON payloads.job_id = v.job_id",
    )
    return {row.job_id: (bytes(row.body), row.conv_id) for row in rows}


def of_job(connection: Connection, job_id: int) -> list[Row[Any]]:
    """Return all kept answers of a job, oldest attempt first."""
    return list(
        connection.execute(
            text(
                "SELECT attempt, request_id, body, sha256, received_at_ms FROM results"
                " WHERE job_id = :job ORDER BY attempt"
            ),
            {"job": job_id},
        )
    )


def ended_jobs(connection: Connection, first: int, last: int, page: int = 500) -> Iterator[Row[Any]]:
    """Yield the ended and held jobs of an id range in input order, with what the output files say of them.

    A page is a range of ids, which needs no statistics to be found.
    """
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    query = (
        "SELECT j.id, j.custom_id, j.state, j.error_code, j.attempt, j.spent, p.metadata,"
        " a.http_status, a.error_message, a.request_id, r.body, r.request_id"
        " FROM jobs j JOIN payloads p ON p.job_id = j.id"
        " LEFT JOIN attempts a ON a.job_id = j.id AND a.attempt = COALESCE(j.answered_by, j.attempt)"
        " LEFT JOIN results r ON r.job_id = j.id AND r.attempt = j.answered_by"
        f" WHERE j.id BETWEEN {mark} AND {mark} AND j.state IN ('succeeded', 'failed', 'held')"
        " ORDER BY j.id"
    )
    highest = text("SELECT MAX(id) FROM jobs WHERE id BETWEEN :first AND :last")
    last = connection.execute(highest, {"first": first, "last": last}).scalar_one() or first - 1
    for start in range(first, last + 1, page):
        yield from connection.exec_driver_sql(query, (start, min(start + page - 1, last))).all()
