"""Reads the jobs that ended or are held, with their results, page by page: the rows of the output files."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from runner.db.connection.postgres_engine import BINARY_BYTEA

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    Page = Sequence[Row[Any]]

PAGE_MAX, PAGE_BYTES = 1_000, 4 << 20  # of one page: ids, and bytes of results
_QUERY: Final = (
    "SELECT j.id, j.custom_id, j.state, j.error_code, j.attempt, p.metadata,"
    " CASE j.state WHEN 'succeeded' THEN 200 ELSE a.http_status END, a.error_message,"
    " COALESCE(r.request_id, a.request_id), r.body, p.set_model"
    " FROM jobs j JOIN payloads p ON p.job_id = j.id AND p.job_id WITHIN"
    # The line of a job that succeeded needs nothing of its attempt: no lookup.
    " LEFT JOIN attempts a ON a.job_id = CASE j.state WHEN 'succeeded' THEN NULL ELSE j.id END"
    " AND a.attempt = COALESCE(j.answered_by, j.attempt) AND a.job_id WITHIN"
    " LEFT JOIN results r ON r.job_id = j.id AND r.attempt = j.answered_by AND r.job_id WITHIN"
    " WHERE j.id WITHIN AND j.state IN ('succeeded', 'failed', 'held') ORDER BY j.id"
)
_BODY: Final = 9  # the column with the bytes of the result
_PAGE_FIRST = 64  # ids of the first page
# A sleep that lets the reading thread send its query now, not after this page is used: 14 µs a row, not 18.
_HAND_OVER_S = 0.0001


def pages(connection: Connection, first: int, last: int, page: int = PAGE_MAX) -> Iterator[Page]:
    """Yield the jobs of an id range in input order; the columns are those of `EndedJob`.

    On PostgreSQL the connection must not be used for anything else meanwhile.
    """
    return pages_of(connection, _QUERY, _BODY, first, last, page)


def pages_of(
    connection: Connection, query: str, body: int, first: int, last: int, page: int = PAGE_MAX
) -> Iterator[Page]:
    """Yield what a query finds for the jobs of an id range, by pages.

    `query` has `WITHIN` where a column is to be within the ids of a page; `body` is the column with the bytes
    of a result. A page is a range of at most `page` ids (a plan that needs no statistics) and of about
    PAGE_BYTES of results. On PostgreSQL a thread reads the next page while the caller uses this one, so the
    connection must not be used for anything else meanwhile.
    """
    highest = text("SELECT MAX(id) FROM jobs WHERE id BETWEEN :first AND :last")
    last = connection.execute(highest, {"first": first, "last": last}).scalar_one() or first - 1
    found = _pages(connection, query, body, first, last, page)
    return found if connection.dialect.name == "sqlite" else read_ahead(_by_ranges(connection, found))


def _by_ranges(connection: Connection, found: Iterator[Page]) -> Iterator[Page]:
    """Yield pages with nested loops disabled: PostgreSQL then reads a range of each table and joins them.

    It estimates that few rows of the range have ended and would look up each one, in twice the time.
    """
    connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
    yield from found
    connection.exec_driver_sql("SET LOCAL enable_nestloop = on")


def _pages(connection: Connection, query: str, body: int, first: int, last: int, page: int) -> Iterator[Page]:
    placeholder = "?" if connection.dialect.name == "sqlite" else "%s"
    query = query.replace("WITHIN", within := f"BETWEEN {placeholder} AND {placeholder}")
    size = min(page, _PAGE_FIRST)
    while first <= last:
        values = (first, min(first + size - 1, last)) * query.count(within)
        rows = connection.exec_driver_sql(query, values, execution_options={BINARY_BYTEA: True}).all()
        yield rows
        first += size
        body_bytes = sum(len(row[body] or b"") for row in rows)
        size = max(1, min(page, size * 2, size * PAGE_BYTES // (body_bytes or 1)))


def read_ahead(pages: Iterator[Page]) -> Iterator[Page]:
    """Yield pages; a thread reads the next one while the caller uses this one."""
    with ThreadPoolExecutor(1, "read") as reader:
        next_page = reader.submit(next, pages, None)
        while (page := next_page.result()) is not None:
            next_page = reader.submit(next, pages, None)
            time.sleep(_HAND_OVER_S)
            yield page
