"""Reads the jobs of a run with all their results, page by page, to be graded."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.db.jobs import ended_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from sqlalchemy import Connection, Row

_QUERY: Final = (
    "SELECT j.id, j.custom_id, j.state, j.error_code, r.attempt, r.body, r.sha256, r.received_at_ms,"
    " a.accepted_at_ms, a.ticks FROM jobs j"
    " LEFT JOIN results r ON r.job_id = j.id AND r.job_id WITHIN"
    " LEFT JOIN attempts a ON a.job_id = r.job_id AND a.attempt = r.attempt AND a.job_id WITHIN"
    " WHERE j.id WITHIN ORDER BY j.id, r.attempt"
)
_BODY: Final = 5  # the column with the bytes of the result


class StoredResult(NamedTuple):
    """One result of a job. `accepted_at_ms` and `ticks` are None where they are not known."""

    attempt: int
    body: bytes
    sha256: str
    received_at_ms: int
    accepted_at_ms: int | None
    ticks: int | None


class JobResults(NamedTuple):
    """A job in any state, with all its results, the oldest attempt first."""

    job_id: int
    custom_id: str
    state: str
    error_code: str | None
    results: Sequence[StoredResult]


def pages(
    connection: Connection, first: int, last: int, page: int = ended_jobs.PAGE_MAX
) -> Iterator[Sequence[JobResults]]:
    """Yield the jobs of an id range in input order, in pages of at most `page` jobs.

    On PostgreSQL the connection must not be used for anything else meanwhile.
    """
    for rows in ended_jobs.pages_of(connection, _QUERY, _BODY, first, last, page):
        yield [_job(list(found)) for _, found in groupby(rows, attrgetter("id"))]


def _job(rows: Sequence[Row[Any]]) -> JobResults:
    job = rows[0]
    return JobResults(job.id, job.custom_id, job.state, job.error_code, tuple(_results(rows)))


def _results(rows: Iterable[Row[Any]]) -> Iterator[StoredResult]:
    for row in rows:
        if row.attempt is not None:
            yield StoredResult(
                row.attempt, bytes(row.body), row.sha256, row.received_at_ms, row.accepted_at_ms, row.ticks
            )
