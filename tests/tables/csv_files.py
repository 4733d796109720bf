"""Helpers: read a CSV file into rows and faults, and write it again with a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.table_faults import TableFault
from runner.tables.csv_table import CsvTable
from runner.tables.csv_writer import CsvWriter
from runner.tables.table import AddedColumn, CellKind, Format, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from runner.tables.table import Table


class Bytes:
    """A sink that keeps what is added."""

    def __init__(self) -> None:
        self.content = b""

    def add(self, chunk: bytes) -> None:
        self.content += chunk


def csv_table(folder: Path, content: bytes, **options: Any) -> CsvTable:
    """Return the table of a file with this content."""
    path = folder / "table.csv"
    path.write_bytes(content)
    return CsvTable(path, ReadOptions(**options))


def rows_of(table: Table) -> tuple[list[tuple[Any, ...]], list[TableFault]]:
    """Return all rows of a table, each after its number, and the faults."""
    rows: list[tuple[Any, ...]] = []
    faults = []
    columns = range(len(table.columns))
    for batch in table.batches():
        if isinstance(batch, TableFault):
            faults.append(batch)
        else:
            rows += [(n, *cells) for n, cells in enumerate(batch.values(columns), batch.first)]
    return rows, faults


def written(
    table: Table,
    label: Callable[[int], Any] = lambda _: "x",
    *,
    added: Sequence[AddedColumn] = (AddedColumn("label", CellKind.TEXT),),
    spreadsheet: bool = False,
    as_utf8: bool = False,
    format: Format = Format.CSV,  # noqa: A002 - as in the writer
) -> tuple[bytes, CsvWriter]:
    """Return the table written as CSV with a label, which is made of each row's number, and its writer."""
    sink = Bytes()
    writer = CsvWriter(sink, table, added, spreadsheet=spreadsheet, format=format, as_utf8=as_utf8)
    for batch in table.batches():
        assert not isinstance(batch, TableFault)
        numbers = range(batch.first, batch.first + len(batch))
        writer.write(batch, [[label(number) for number in numbers]] * len(added))
    writer.finish()
    return sink.content, writer
