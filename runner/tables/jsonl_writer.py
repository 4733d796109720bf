"""Writes JSONL: each row an object on a line of its own, with columns added."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from runner.tables.cells import as_rows
from runner.tables.json_text import json_text
from runner.tables.jsonl_table import JsonlBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.tables.table import AddedColumn, RowBatch, Sink, Table


class JsonlWriter:
    """Writes the rows of a table as JSON objects.

    A row of a JSONL table keeps the text of its object, byte for byte; the added members stand before its
    closing brace. A row of another table becomes an object of its columns in their order: the cells of CSV as
    text, those of Parquet as `json_text` writes them. An added value is a Python value that JSON has, also of
    a column of CellKind.JSON; None becomes null. The added names must differ from the table's columns.
    """

    def __init__(self, sink: Sink, table: Table, added: Sequence[AddedColumn]) -> None:
        """Write nothing yet; the rows of `table` go to `sink`."""
        self._sink = sink
        self._table = table
        self._added = tuple(column.name for column in added)

    def write(self, batch: RowBatch, added: Sequence[Sequence[Any]]) -> None:
        """Write a batch; `added` has a sequence of len(batch) values for each added column."""
        rows = as_rows(added, len(batch))
        lines = self._extended(batch, rows) if isinstance(batch, JsonlBatch) else self._made(batch, rows)
        self._sink.add(b"".join(lines))

    def finish(self) -> None:
        """Do nothing: JSONL has no footer."""

    def _extended(self, batch: JsonlBatch, added: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
        for row, values in zip(batch.rows, added, strict=True):
            text = row.raw.rstrip()
            if values:
                members = json_text(dict(zip(self._added, values, strict=True)))
                comma = b"," if row.members else b""
                text = b"".join((text[:-1], comma, members[1:]))
            yield text + b"\n"

    def _made(self, batch: RowBatch, added: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
        columns = self._table.columns
        names = (*columns, *self._added)
        for row, values in zip(batch.values(range(len(columns))), added, strict=True):
            yield json_text(dict(zip(names, chain(row, values), strict=True))) + b"\n"
