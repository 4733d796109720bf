"""Makes numbered batches of rows out of the records of a CSV file, and faults out of what is no row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from runner.rules.table_faults import TableFault
from runner.tables.csv_records import ROW_BYTES_MAX, BrokenRecord, too_long
from runner.tables.table import ROWS_PER_BATCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.tables.csv_records import Records

CELLS_PER_BATCH: Final = 500_000  # so that wide rows do not fill the memory
_FOREIGN: Final = re.compile(
    "[\udc80-\udcff]"
)  # bytes that are not of the encoding, as surrogateescape has them


@dataclass(slots=True)
class TextBatch:
    """Rows of a CSV table: their cells, and the bytes that each came from, blank lines before it included."""

    first: int
    cells: list[list[str]]
    raws: list[bytes]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.cells)

    def values(self, columns: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the cells of some columns, row by row, as text."""
        if len(columns) > 1:
            return map(itemgetter(*columns), self.cells)
        return (tuple(row[column] for column in columns) for row in self.cells)


class RowSorter:
    """Numbers the rows of one table, and finds those with too few or too many cells or foreign bytes."""

    def __init__(self, columns: tuple[str, ...], encoding: str) -> None:
        """Begin before the first row."""
        self._columns = columns
        self._encoding = encoding
        self._row = 1  # the number of the next row
        self._blank: list[bytes] = []  # blank lines after the last row
        self._rows_per_batch = max(1, min(ROWS_PER_BATCH, CELLS_PER_BATCH // len(columns)))

    @property
    def tail(self) -> bytes:
        """Return the blank lines after the last row so far."""
        return b"".join(self._blank)

    def sort(self, records: Records | BrokenRecord) -> Iterator[TextBatch | TableFault]:
        """Yield the rows of records, and their faults. In a table of one column a blank line is a row."""
        if isinstance(records, BrokenRecord):
            yield self._fault_of_broken(records)
            return
        cells, raws, _, needs_check = records
        if not needs_check and not self._blank and set(map(len, cells)) == {len(self._columns)}:
            yield from self._batches(cells, raws)
        else:
            yield from self._sort_each(records)

    def _sort_each(self, records: Records) -> Iterator[TextBatch | TableFault]:
        cells: list[list[str]] = []
        raws: list[bytes] = []
        for row, raw, line in zip(records.cells, records.raws, records.lines, strict=True):
            if not row and len(self._columns) > 1:
                self._blank.append(raw)
            elif found := self._fault(row or [""], raw, line, needs_check=records.needs_check):
                yield from self._batches(cells, raws)
                cells, raws = [], []
                yield self._fault_of_broken(found)
            else:
                cells.append(row or [""])
                raws.append(self.tail + raw)
                self._blank.clear()
        yield from self._batches(cells, raws)

    def _batches(self, cells: list[list[str]], raws: list[bytes]) -> Iterator[TextBatch]:
        size = self._rows_per_batch
        for start in range(0, len(cells), size):
            batch = TextBatch(self._row, cells[start : start + size], raws[start : start + size])
            self._row += len(batch)
            yield batch

    def _fault(self, row: list[str], raw: bytes, line: int, *, needs_check: bool) -> BrokenRecord | None:
        if needs_check and (fault := foreign_bytes(row, line, self._encoding)):
            return fault
        if needs_check and len(raw) > ROW_BYTES_MAX:
            return too_long(line, ROW_BYTES_MAX)
        if len(row) == len(self._columns):
            return None
        return _ragged(len(row), len(self._columns), line)

    def _fault_of_broken(self, broken: BrokenRecord) -> TableFault:
        """Return the fault of the next row."""
        line, cell, code, reason, fix = broken
        column = self._columns[cell] if cell is not None and cell < len(self._columns) else None
        self._row += 1
        return TableFault(row=self._row - 1, line=line, column=column, code=code, reason=reason, fix=fix)


def foreign_bytes(row: list[str], line: int, encoding: str) -> BrokenRecord | None:
    """Return the fault of the first cell with a byte that is not of the encoding; None where there is none.

    `line` is the line in which the row begins; that of the byte is found from it.
    """
    for index, cell in enumerate(row):
        if found := _FOREIGN.search(cell):
            byte = ord(found[0]) - 0xDC00
            other = "cp1252" if encoding == "utf-8" else "utf-8"
            return BrokenRecord(
                line + "".join(row[:index]).count("\n") + cell.count("\n", 0, found.start()),
                index,
                "not-utf8" if encoding == "utf-8" else "wrong-encoding",
                f"the byte 0x{byte:02x} is not {encoding.upper()}",
                f"mend the row, or give the encoding of the whole table, as in --encoding {other}",
            )
    return None


def _ragged(cells: int, columns: int, line: int) -> BrokenRecord:
    few = cells < columns
    return BrokenRecord(
        line,
        None,
        "too-few-cells" if few else "too-many-cells",
        f"the row has {cells:,} cell{'s' * (cells != 1)}, the header {columns:,}",
        "add the cells that are missing"
        if few
        else 'write a cell that holds the delimiter or a line end in quotes ("), or give the --delimiter',
    )
