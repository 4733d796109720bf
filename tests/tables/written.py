"""What tests of tables share: a sink in memory, and a table written again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.table_faults import TableFault
from runner.tables.table import Format, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.tables.table import AddedColumn, Sink, Table, TableWriter


class Collected:
    """A sink that keeps its bytes."""

    def __init__(self) -> None:
        """Begin empty."""
        self.content = b""

    def add(self, chunk: bytes) -> None:
        """Append bytes."""
        self.content += chunk


def rows_of(table: Table) -> list[tuple[Any, ...]]:
    """Return all rows; fail on a fault."""
    rows: list[tuple[Any, ...]] = []
    for batch in table.batches():
        assert not isinstance(batch, TableFault), batch
        assert batch.first == len(rows) + 1
        rows += batch.values(range(len(table.columns)))
    return rows


def parts_of(table: Table) -> list[tuple[int, int] | TableFault]:
    """Return (first row, number of rows) of each batch, and the faults, in their order."""
    return [item if isinstance(item, TableFault) else (item.first, len(item)) for item in table.batches()]


def written(
    make_writer: Callable[[Sink, Table, Sequence[AddedColumn]], TableWriter],
    table: Table,
    added: Sequence[AddedColumn] = (),
    values: Sequence[Sequence[Any]] = (),
) -> bytes:
    """Return a table written again; `values` has those of all rows for each added column."""
    sink = Collected()
    writer = make_writer(sink, table, added)
    for batch in table.batches():
        assert not isinstance(batch, TableFault), batch
        writer.write(batch, [column[batch.first - 1 : batch.first - 1 + len(batch)] for column in values])
    writer.finish()
    return sink.content


class TextTable:
    """A table of texts, as CSV is: in one batch."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Keep the rows."""
        self.format = Format.CSV
        self.reading = ReadOptions(format=Format.CSV)
        self.columns = tuple(columns)
        self.rows = rows
        self.sha256 = ""
        self.byte_count = 0

    def batches(self) -> Any:
        """Yield the rows."""
        yield TextBatch(self.rows)


class TextBatch:
    """The rows of a TextTable."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        """Keep the rows."""
        self.first = 1
        self.rows = rows

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def values(self, columns: Sequence[int]) -> Any:
        """Yield the cells of some columns."""
        for row in self.rows:
            yield tuple(row[column] for column in columns)
