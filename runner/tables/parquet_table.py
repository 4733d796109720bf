"""Reads Parquet by pyarrow, batch by batch and in flat memory; Arrow keeps the values as they are."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.rules.other_files.binary_files import PARQUET
from runner.rules.table_faults import TableFault
from runner.tables.arrow_values import python_values
from runner.tables.cells import as_rows
from runner.tables.pyarrow_import import import_pyarrow
from runner.tables.table import ROWS_PER_BATCH, Format, ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BATCH_BYTES: Final = 1 << 20  # about, uncompressed; a batch of long rows has fewer of them
_READ_BYTES: Final = 1 << 20
_COPY_AGAIN: Final = "copy or make the file again; another Parquet reader can test it"
_MAGICS: Final = {  # how a file ends that is no plain Parquet
    b"PARE": ("the Parquet file is encrypted", "write it again without encryption"),
    b"ARROW1": ("the file is Arrow IPC (Feather), not Parquet", "write it as Parquet"),
}


@dataclass(slots=True)
class ArrowBatch:
    """Rows of a Parquet table in their order; `record_batch` is an Arrow RecordBatch of all its columns."""

    first: int
    record_batch: Any

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.record_batch.num_rows)

    def values(self, columns: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the values of some columns, row by row, as `python_values` makes them."""
        cells = [python_values(self.record_batch.column(column)) for column in columns]
        return as_rows(cells, len(self))


class ParquetTable:
    """A table in one Parquet file.

    `schema` is its Arrow schema, with the metadata. The digest takes a pass of its own over the bytes, since
    Parquet is not read in their order.
    """

    format: Format = Format.PARQUET
    reading: ReadOptions = ReadOptions(format=Format.PARQUET)

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """Read the footer. Raise TableError if this is no readable Parquet, OSError if there is no file."""
        if options.encoding is not None or options.delimiter is not None:
            raise TableError("Parquet has no encoding and no delimiter", fix="leave out both")
        self._path = path
        self._file_state = _state_of(path)
        with _opened(path) as file:
            self.schema: Any = file.schema_arrow
            self._batch_rows = _rows_per_batch(file.metadata)
            self._row_total: int = file.metadata.num_rows
        self.columns: tuple[str, ...] = tuple(self.schema.names)
        _check_columns(self.columns)
        self._row_count = 0
        self._digest: str | None = None

    @property
    def sha256(self) -> str:
        """Return the hex digest of the file's bytes; it reads all of them unless `batches` has done so."""
        if self._digest is None:
            with self._path.open("rb") as file:
                self._digest = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digest

    @property
    def byte_count(self) -> int:
        """Return the share of the file's bytes that the rows read so far have: the progress."""
        size = self._file_state[0]
        return size * self._row_count // self._row_total if self._row_total else size

    def batches(self) -> Iterator[ArrowBatch | TableFault]:
        """Yield the rows, at most ROWS_PER_BATCH and about BATCH_BYTES at once, and faults between them.

        A fault of a row has its number; one without a number ends the table, since the rest is missing.
        """
        pa = import_pyarrow()
        self._row_count = 0
        try:
            with _opened(self._path) as file:
                for record_batch in file.iter_batches(self._batch_rows, use_threads=False):
                    first = self._row_count + 1
                    self._row_count += record_batch.num_rows
                    yield from _checked(ArrowBatch(first, record_batch))
        except (OSError, pa.ArrowException) as error:
            yield _damaged(self._row_count + 1, error)
        _ = self.sha256
        if _state_of(self._path) != self._file_state:
            yield _changed()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a ParquetFile that reads with little memory: buffered, and no column chunk ahead of time."""
    pa = import_pyarrow()
    try:
        source = pa.OSFile(os.fsencode(path))  # a str would be taken for a URI, and has to be text
        file = pa.parquet.ParquetFile(source, buffer_size=_READ_BYTES, pre_buffer=False)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    with source:
        yield file


def _unreadable(path: Path, error: Exception) -> TableError:
    if path.is_dir():
        what = "this is a folder; a table is one Parquet file"
        return TableError(what, fix="name one file in it, or write them as one")
    with path.open("rb") as file:
        beginning = file.read(8)
        file.seek(max(0, path.stat().st_size - 8))
        end = file.read()
    for magic, (what, fix) in _MAGICS.items():
        if end.endswith(magic):
            return TableError(what, fix=fix)
    if beginning.startswith(b"\x1f\x8b"):
        return TableError("the file is gzip, not Parquet", fix="unpack it first: gunzip FILE")
    if beginning.startswith(PARQUET):
        return TableError(f"the Parquet file is cut short or damaged ({_line(error)})", fix=_COPY_AGAIN)
    return TableError(
        "this is no Parquet file", fix="name the format that it has, by the ending of its name or by the flag"
    )


def _check_columns(columns: Sequence[str]) -> None:
    if not columns:
        raise TableError("the Parquet file has no column", fix="write it again with its columns")
    for column in columns:
        if columns.count(column) > 1:
            places = [str(place) for place, name in enumerate(columns, 1) if name == column]
            where = (f"columns {' and '.join(places)}",)
            what = f'the column name "{column}" stands twice or more in the table'
            raise TableError(what, where=where, fix="rename one of them")


def _rows_per_batch(metadata: Any) -> int:
    """Return how many rows have about BATCH_BYTES, by the largest rows of all row groups."""
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size / group.num_rows for group in groups if group.num_rows), default=1)
    return max(1, min(ROWS_PER_BATCH, int(BATCH_BYTES / max(1, row_bytes))))


def _checked(batch: ArrowBatch) -> Iterator[ArrowBatch | TableFault]:
    """Yield the batch, in parts around rows with a value that its type does not allow, and their faults."""
    pa = import_pyarrow()
    try:
        batch.record_batch.validate(full=True)
    except pa.ArrowInvalid:
        yield from _parts(batch)
    else:
        yield batch


def _parts(batch: ArrowBatch) -> Iterator[ArrowBatch | TableFault]:
    begin = 0
    for place in range(len(batch)):
        fault = _fault_of_row(batch.record_batch.slice(place, 1), batch.first + place)
        if fault is not None:
            if begin < place:
                yield ArrowBatch(batch.first + begin, batch.record_batch.slice(begin, place - begin))
            yield fault
            begin = place + 1
    if begin < len(batch):
        yield ArrowBatch(batch.first + begin, batch.record_batch.slice(begin))


def _fault_of_row(single: Any, row: int) -> TableFault | None:
    pa = import_pyarrow()
    for name, column in zip(single.schema.names, single.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error):
                code, reason = "not-utf8", "the text is not UTF-8"
                fix = "write it again as UTF-8, or make the column binary"
            else:
                code, reason = "bad-value", f"the value does not fit its type ({_line(error)})"
                fix = "write the value again"
            return TableFault(row=row, column=name, code=code, reason=reason, fix=fix)
    return None


def _damaged(row: int, error: Exception) -> TableFault:
    reason = f"the Parquet file is damaged from about row {row:,} on ({_line(error)})"
    return TableFault(code="bad-parquet", reason=reason, fix=_COPY_AGAIN)


def _changed() -> TableFault:
    reason = "the file was changed while it was read"
    return TableFault(code="file-changed", reason=reason, fix="wait until it is written, then start again")


def _state_of(path: Path) -> tuple[int, int, int]:
    """Return size, change time and inode: what differs when a file was written or replaced."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
