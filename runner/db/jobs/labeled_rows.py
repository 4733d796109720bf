"""Reads the rows of a labeled table with what became of their jobs, page by page, in the table's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import text

from runner.db.connection.postgres_engine import BINARY_BYTEA
from runner.db.jobs.ended_jobs import PAGE_BYTES, PAGE_MAX, read_ahead
from runner.db.jobs.job_ids import JOBS_MAX, job_id
from runner.db.jobs.row_jobs import is_mapped

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from sqlalchemy import Connection, Row

    Page = Sequence[Row[Any]]

_PAGE_FIRST: Final = 64  # rows of the first page


@dataclass(frozen=True, slots=True, kw_only=True)
class RowParts:
    """What to read beside the state of each row's job and the answers of those that succeeded."""

    every_answer: bool = False  # also those that do not fit
    model: bool = False
    cost: bool = False


class RowRecord(NamedTuple):
    """One row, column by column. (A tuple is read ten times as fast as a Row.)

    `id` has the number of the row in its low half. A row without a job was skipped for its `fault`. `model`
    is the one that answered, `ticks` what all answers of the job cost; both are None unless read.
    """

    id: int
    job_id: int | None
    custom_id: str | None
    state: str | None
    error_code: str | None
    error_message: str | None
    attempt: int | None
    asks: int | None
    fault: str | None
    model: str | None
    body: bytes | None
    ticks: int | None

    @property
    def number(self) -> int:
        """Return the number of the row, from 1."""
        return self.id & JOBS_MAX


_BODY: Final = RowRecord._fields.index("body")


def pages(
    connection: Connection, run_id: int, parts: RowParts, page: int = PAGE_MAX
) -> Generator[Page, None, None]:
    """Yield the rows of a run that have a job or a fault, in the table's order; the columns are RowRecord's.

    A page has at most `page` rows and about PAGE_BYTES of answers. On PostgreSQL a thread reads the next page
    while the caller uses this one, so the connection must not be used for anything else meanwhile.
    """
    reader = _PageReader(connection, run_id, parts, page)
    found = reader.mapped() if is_mapped(connection, run_id) else reader.plain()
    yield from found if connection.dialect.name == "sqlite" else read_ahead(found)


class _PageReader:
    """Reads the pages of one run."""

    def __init__(self, connection: Connection, run_id: int, parts: RowParts, page: int) -> None:
        self._connection, self._parts, self._page = connection, parts, page
        self._first, self._last = job_id(run_id, 0), job_id(run_id, JOBS_MAX)
        self._placeholder = "?" if connection.dialect.name == "sqlite" else "%s"
        self._within = f"BETWEEN {self._placeholder} AND {self._placeholder}"

    def plain(self) -> Iterator[Page]:
        """Yield pages of a run whose row n is job n: ranges of ids, a plan that needs no statistics."""
        highest = text("SELECT MAX(id) FROM jobs WHERE id BETWEEN :first AND :last")
        values = {"first": self._first, "last": self._last}
        last = self._connection.execute(highest, values).scalar_one()
        if last is None:
            return
        joins = self._joins(f" AND X.job_id {self._within}")
        query = f"SELECT j.id + 1, {self._columns('NULL')} FROM jobs j {joins}"
        query += f" WHERE j.id {self._within} ORDER BY j.id"
        self._set_nested_loops("off")
        first, size = self._first, min(self._page, _PAGE_FIRST)
        while first <= last:
            bounds = (first, min(first + size - 1, last)) * query.count(self._within)
            rows = self._rows(query, bounds)
            yield rows
            first += size
            size = self._next_size(size, rows)
        self._set_nested_loops("on")

    def mapped(self) -> Iterator[Page]:
        """Yield pages of a run that maps rows to jobs, each job looked up by its id."""
        query = (
            f"SELECT w.id, {self._columns('w.fault')} FROM rows w LEFT JOIN jobs j ON j.id = w.job_id"
            f" {self._joins('')} WHERE w.id {self._within} ORDER BY w.id LIMIT {self._placeholder}"
        )
        first, size = self._first, min(self._page, _PAGE_FIRST)
        while rows := self._rows(query, (first, self._last, size)):
            yield rows
            first = rows[-1][0] + 1
            size = self._next_size(size, rows)

    def _columns(self, fault: str) -> str:
        """Return the columns of RowRecord after its first one."""
        ticks = "(SELECT CAST(SUM(t.ticks) AS BIGINT) FROM attempts t WHERE t.job_id = j.id)"
        return (
            "j.id, j.custom_id, j.state, j.error_code, a.error_message, j.attempt, j.asks,"
            f" {fault}, {'a.model' if self._parts.model else 'NULL'}, r.body,"
            f" {ticks if self._parts.cost else 'NULL'}"
        )

    def _joins(self, within: str) -> str:
        """Return the joins to the attempt and the answer that count; `within` bounds them, X being either."""
        counts = "COALESCE(j.answered_by, j.attempt)"
        if not self._parts.model:  # else a row that is ok needs nothing of its attempt: no lookup
            counts = f"CASE j.state WHEN 'succeeded' THEN NULL ELSE {counts} END"
        answer = "" if self._parts.every_answer else " AND j.state = 'succeeded'"
        return (
            f"LEFT JOIN attempts a ON a.job_id = j.id AND a.attempt = {counts}{within.replace('X', 'a')}"
            f" LEFT JOIN results r ON r.job_id = j.id AND r.attempt = j.answered_by{answer}"
            f"{within.replace('X', 'r')}"
        )

    def _rows(self, query: str, values: tuple[int, ...]) -> Page:
        return self._connection.exec_driver_sql(query, values, execution_options={BINARY_BYTEA: True}).all()

    def _next_size(self, size: int, rows: Page) -> int:
        body_bytes = sum(len(row[_BODY] or b"") for row in rows)
        return max(1, min(self._page, size * 2, size * PAGE_BYTES // (body_bytes or 1)))

    def _set_nested_loops(self, word: str) -> None:
        """Let PostgreSQL read ranges of each table and join them: it would look up each row otherwise."""
        if self._connection.dialect.name != "sqlite":
            self._connection.exec_driver_sql(f"SET LOCAL enable_nestloop = {word}")
