"""Makes the writer of a table for a format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.errors import UsageError
from runner.tables.table import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.tables.table import AddedColumn, Sink, Table, TableWriter


def make_writer(
    format: Format,  # noqa: A002 - the word for it
    sink: Sink,
    table: Table,
    added: Sequence[AddedColumn],
    *,
    spreadsheet: bool,
    as_utf8: bool = False,
) -> TableWriter:
    """Return what writes the rows of a table in a format, with columns added.

    `spreadsheet` makes CSV and TSV safe to open in a spreadsheet; `as_utf8` writes them in UTF-8 whatever
    the table's encoding is. Raise UsageError where `spreadsheet` is set for another format.
    """
    if format in (Format.CSV, Format.TSV):
        from runner.tables.csv_writer import CsvWriter

        return CsvWriter(sink, table, added, spreadsheet=spreadsheet, format=format, as_utf8=as_utf8)
    if spreadsheet:
        raise UsageError(
            f"--spreadsheet does nothing for {format.value}", fix="write a file that ends with .csv or .tsv"
        )
    if format is Format.JSONL:
        from runner.tables.jsonl_writer import JsonlWriter

        return JsonlWriter(sink, table, added)
    from runner.tables.parquet_writer import ParquetWriter

    return ParquetWriter(sink, table, added)
