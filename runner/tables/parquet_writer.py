"""Writes Parquet by pyarrow, with columns added; the same rows make the same bytes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from runner.rules.other_files.binary_files import PARQUET
from runner.tables.arrow_values import arrow_column, arrow_type
from runner.tables.jsonl_table import JsonlTable
from runner.tables.parquet_table import ArrowBatch, ParquetTable
from runner.tables.pyarrow_import import import_pyarrow
from runner.tables.table import AddedColumn, CellKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.tables.table import RowBatch, Sink, Table

GROUP_ROWS: Final = 50_000
GROUP_BYTES: Final = 4 << 20  # of Arrow values; a row group is in memory until it is written
_MARK_KEY: Final = b"runner"


class ParquetWriter:
    """Writes the rows of a table to one Parquet file.

    The columns of a Parquet table pass through as Arrow has them: types, metadata and order stay. Those of
    CSV are strings. Those of JSONL have the type that holds all values of the input unchanged, and JSON text
    where no other does. The added columns may be null; their types depend on their kinds alone, never on
    values, and a Python value of CellKind.JSON is written as JSON text. `mark` stands in the file's metadata.
    """

    def __init__(
        self, sink: Sink, table: Table, added: Sequence[AddedColumn], *, mark: str | None = None
    ) -> None:
        """Write the first bytes. Raise TableError where pyarrow is missing, or JSONL has too many columns."""
        pa = import_pyarrow()
        self._own = [] if isinstance(table, ParquetTable) else _typed(table)
        self._added = tuple(added)
        schema = table.schema if isinstance(table, ParquetTable) else pa.schema(_fields(self._own))
        fields = [*schema, *_fields(self._added)]
        self._schema = pa.schema(fields, metadata=_marked(schema.metadata, mark))
        self._output = _SinkFile(sink)
        with self._output.accepting():
            # The names of lists' items stay as they are in the input, so that the types are the same.
            self._writer = pa.parquet.ParquetWriter(
                pa.PythonFile(self._output, mode="w"), self._schema, use_compliant_nested_type=False
            )
        self._waiting: list[Any] = []
        self._waiting_rows = self._waiting_bytes = 0

    def write(self, batch: RowBatch, added: Sequence[Sequence[Any]]) -> None:
        """Write a batch; `added` has a sequence of len(batch) values for each added column.

        Raise TableError where a value does not fit the column's type.
        """
        pa = import_pyarrow()
        if isinstance(batch, ArrowBatch):
            own = batch.record_batch.columns
        else:
            cells = zip(*batch.values(range(len(self._own))), strict=True)
            own = [arrow_column(*column, values) for column, values in zip(self._own, cells, strict=True)]
        extra = [arrow_column(*column, values) for column, values in zip(self._added, added, strict=True)]
        record_batch = pa.RecordBatch.from_arrays([*own, *extra], schema=self._schema)
        self._waiting.append(record_batch)
        self._waiting_rows += record_batch.num_rows
        self._waiting_bytes += record_batch.nbytes
        if self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Write the last rows and the footer."""
        self._write_group()
        with self._output.accepting():
            self._writer.close()

    def _write_group(self) -> None:
        if self._waiting:
            group = import_pyarrow().Table.from_batches(self._waiting, self._schema)
            with self._output.accepting():
                self._writer.write_table(group, row_group_size=max(1, group.num_rows))
        self._waiting = []
        self._waiting_rows = self._waiting_bytes = 0


def mark_of(path: Path) -> str | None:
    """Return the mark that a ParquetWriter gave a file; None if there is none, or it is no Parquet.

    Raise OSError where the file cannot be read, TableError where it is Parquet and pyarrow is missing.
    """
    with path.open("rb") as file:
        if file.read(len(PARQUET)) != PARQUET:
            return None
    pa = import_pyarrow()
    try:
        metadata = pa.parquet.read_metadata(str(path)).metadata or {}
    except (OSError, pa.ArrowException):  # pyarrow raises a bare OSError for a damaged footer
        return None
    mark = metadata.get(_MARK_KEY)
    return None if mark is None else mark.decode("utf-8", "replace")


class _SinkFile:
    """A sink as the file that pyarrow writes to.

    It accepts bytes only while the writer works: pyarrow writes a footer also when a writer is dropped after
    an error, and that is no part of the table.
    """

    closed = False

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._is_open = False

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """Pass on what is written within."""
        self._is_open = True
        try:
            yield
        finally:
            self._is_open = False

    def write(self, chunk: Any) -> int:
        """Pass on a chunk; return its length in bytes."""
        content = bytes(chunk)
        if self._is_open:
            self._sink.add(content)
        return len(content)

    def flush(self) -> None:
        """Do nothing: the sink has its own buffer."""

    def close(self) -> None:
        """Do nothing: the sink is the caller's."""


def _typed(table: Table) -> list[AddedColumn]:
    """Return the columns of a table that is not Parquet, with their types."""
    if isinstance(table, JsonlTable):
        return [AddedColumn(name, kind) for name, kind in table.kinds.items()]
    return [AddedColumn(name, CellKind.TEXT) for name in table.columns]


def _fields(columns: Sequence[AddedColumn]) -> list[Any]:
    pa = import_pyarrow()
    return [pa.field(column.name, arrow_type(column.kind)) for column in columns]


def _marked(metadata: dict[bytes, bytes] | None, mark: str | None) -> dict[bytes, bytes]:
    """Return the input's metadata with this file's mark, never with that of a file it was made from."""
    kept = {key: value for key, value in (metadata or {}).items() if key != _MARK_KEY}
    return kept if mark is None else {**kept, _MARK_KEY: mark.encode()}
