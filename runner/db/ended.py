"""The jobs that ended or are held, with their answers: what the output files are made of, page by page."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from runner.db.session import AS_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Row

    Page = Sequence[Row[Any]]

PAGE_MAX, PAGE_BYTES = 1_000, 4 << 20  # ids, and bytes of answers, which are read at once
_PAGE_FIRST = 64
_HAND_OVER_S = 0.0001  # a thread gets the interpreter for its query now, and not when the page is used up


def pages(connection: Connection, first: int, last: int, page: int = PAGE_MAX) -> Iterator[Page]:
    """Yield the jobs of an id range in input order; the columns are those of `output.line.Ended`.

    A page is a range of at most `page` ids, which needs no statistics to be found, and of about PAGE_BYTES.
    PostgreSQL finds the next one while this one is used; the connection is for nothing else meanwhile.
    """
    highest = text("SELECT MAX(id) FROM jobs WHERE id BETWEEN :first AND :last")
    last = connection.execute(highest, {"first": first, "last": last}).scalar_one() or first - 1
    if connection.dialect.name == "sqlite":
        return _pages(connection, first, last, page)
    return _read_ahead(_by_ranges(connection, first, last, page))


def _by_ranges(connection: Connection, first: int, last: int, page: int) -> Iterator[Page]:
    """Have PostgreSQL read a range of each table, and join them.

    It believes that few rows of the range have ended, and would look up each by itself, in twice the time.
    """
    connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
    yield from _pages(connection, first, last, page)
    connection.exec_driver_sql("SET LOCAL enable_nestloop = on")


def _pages(connection: Connection, first: int, last: int, page: int) -> Iterator[Page]:
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    within = f"BETWEEN {mark} AND {mark}"
    query = (
        "SELECT j.id, j.custom_id, j.state, j.error_code, j.attempt, j.spent, p.metadata,"
        " CASE j.state WHEN 'succeeded' THEN 200 ELSE a.http_status END, a.error_message,"
        " COALESCE(r.request_id, a.request_id), r.body"
        f" FROM jobs j JOIN payloads p ON p.job_id = j.id AND p.job_id {within}"
        # Of an attempt that succeeded the lines tell nothing that is not known anyhow.
        " LEFT JOIN attempts a ON a.job_id = CASE j.state WHEN 'succeeded' THEN NULL ELSE j.id END"
        f" AND a.attempt = COALESCE(j.answered_by, j.attempt) AND a.job_id {within}"
        f" LEFT JOIN results r ON r.job_id = j.id AND r.attempt = j.answered_by AND r.job_id {within}"
        f" WHERE j.id {within} AND j.state IN ('succeeded', 'failed', 'held')"
        " ORDER BY j.id"
    )
    size = min(page, _PAGE_FIRST)
    while first <= last:
        values = (first, min(first + size - 1, last)) * query.count(within)
        rows = connection.exec_driver_sql(query, values, execution_options={AS_BYTES: True}).all()
        yield rows
        first += size
        held_bytes = sum(len(row[-1] or b"") for row in rows)
        size = max(1, min(page, size * 2, size * PAGE_BYTES // (held_bytes or 1)))


def _read_ahead(pages: Iterator[Page]) -> Iterator[Page]:
    with ThreadPoolExecutor(1, "read") as reader:
        coming = reader.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = reader.submit(next, pages, None)
            time.sleep(_HAND_OVER_S)
            yield page
