"""Writes a table again with labels: two streams in the table's order, joined by row number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from runner.db.jobs.labeled_rows import RowRecord
from runner.rules.errors import Bug
from runner.rules.labels.row_status import COMPLETE, RowReason, RowStatus
from runner.rules.table_faults import TableFault
from runner.tables.table import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Row

    from runner.output.row_values import LabeledRow, RowValues
    from runner.tables.table import RowBatch, Sink, Table, TableWriter


@dataclass(slots=True)
class RowCounts:
    """Rows by status, and how many the written table has: one that cannot be read is not in it."""

    by_status: Counter[RowStatus] = field(default_factory=Counter)
    written: int = 0


class LabeledTable:
    """The join of a table with the rows of its run. `start` begins each line of the errors file."""

    def __init__(
        self, table: Table, pages: Iterable[Sequence[Row[Any]]], values: RowValues, start: bytes
    ) -> None:
        self._table, self._values = table, values
        self._rows = _Numbered(map(RowRecord._make, chain.from_iterable(pages)))
        self._start = start
        self.counts = RowCounts()

    def write(self, writer: TableWriter, errors: Sink) -> None:
        """Write every row once, and a line of the errors file for each that is not complete.

        Raises TableError where the table cannot be read to its end, Bug where the run has rows that the table
        lacks. Both also happen where it is not the table of the run: its digest is for the caller to compare.
        """
        for item in self._table.batches():
            if isinstance(item, TableFault):
                self._add_unreadable(item, errors)
            else:
                self._write_batch(item, writer, errors)
        writer.finish()
        self._rows.check_end()

    def _write_batch(self, batch: RowBatch, writer: TableWriter, errors: Sink) -> None:
        """Write a batch.

        Its values are in one flat list: the garbage collector would traverse a tuple for each row again and
        again, which takes a third of the whole time.
        """
        values: list[Any] = []
        statuses: list[RowStatus] = []
        for number, row in self._rows.take(batch.first, len(batch)):
            labeled = self._values.of(row)
            values += labeled.values
            statuses.append(labeled.status)
            if labeled.reason is not None:
                self._add_error(errors, number, row, labeled.status, labeled.reason)
        if not statuses:
            return
        width = len(values) // len(statuses)
        writer.write(batch, [values[place::width] for place in range(width)])
        self.counts.written += len(statuses)
        self.counts.by_status.update(statuses)

    def _add_unreadable(self, fault: TableFault, errors: Sink) -> None:
        """Count a row that cannot be read, and so not be written: it is in the errors file alone."""
        if fault.row is None:
            raise TableError(fault.reason, fix=fault.fix)
        ((_, row),) = self._rows.take(fault.row, 1)
        labeled: LabeledRow = self._values.of(row)
        reason = labeled.reason or RowReason(fault.code, fault.reason)
        self.counts.by_status[labeled.status] += 1
        self._add_error(errors, fault.row, row, labeled.status, reason)

    def _add_error(
        self, errors: Sink, number: int, row: RowRecord | None, status: RowStatus, reason: RowReason
    ) -> None:
        if status in COMPLETE:
            return
        line = {
            "row": number,
            "custom_id": None if row is None else row.custom_id,
            "status": status.value,
            "code": reason.code,
            "message": reason.message,
        }
        errors.add(b'%b%d",%b\n' % (self._start, number, orjson.dumps(line)[1:]))


class _Numbered:
    """The rows that a run knows, to be taken by their numbers."""

    def __init__(self, rows: Iterator[RowRecord]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, first: int, count: int) -> Iterator[tuple[int, RowRecord | None]]:
        """Yield the next `count` numbers from `first` on, each with its row; None where that is not known."""
        row, rows = self._next, self._rows
        number_of_next = -1 if row is None else row.number
        for number in range(first, first + count):
            if number == number_of_next:
                yield number, row
                row = self._next = next(rows, None)
                number_of_next = -1 if row is None else row.number
            else:
                yield number, None

    def check_end(self) -> None:
        """Raise Bug where a row was not taken."""
        if self._next is not None:
            raise Bug(f"row {self._next.number} of the run is not in its table")
