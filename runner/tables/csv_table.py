"""Reads CSV and TSV: every cell is text, as it stands in the file.

A quoted cell may hold delimiters, line ends and doubled quotes. A blank line is an empty cell in a table of
one column, where spreadsheets write it so; in a wider table it is no row, but written again in its place.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.table_faults import TableFault
from runner.tables.csv_dialect import find_dialect
from runner.tables.csv_records import BrokenRecord, RecordReader, Records
from runner.tables.csv_rows import RowSorter, TextBatch, foreign_bytes
from runner.tables.stored_file import GZIP_ERRORS, StoredFile, gzip_fault
from runner.tables.table import Format, ReadOptions, TableError
from runner.tables.text_encoding import find_encoding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD_BYTES: Final = 1024 * 1024  # encoding and delimiter are found in them


class CsvTable:
    """A CSV or TSV table; its header is read at once, its rows by `batches`, once.

    `encoding` is the name of its codec. `header` and `tail` are the bytes before the first row, with the
    names of the columns, and the blank lines after the last one (known when all batches are read).
    """

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """Read the header. Raise TableError where it cannot be read, OSError as open does."""
        self.format: Format = options.format or Format.CSV
        self.tail = b""
        self._path = path
        self._stored: StoredFile | None = None
        try:
            self._find_dialect(options)
            with StoredFile(path) as stored:
                self._header, _ = _take_header(iter(self._records(stored)), self.encoding)
        except GZIP_ERRORS as error:
            fault = gzip_fault(error)
            raise TableError(f"{path.name}: {fault.reason}", fix=fault.fix) from None
        self.columns = tuple(self._header.names)
        self.header: bytes = self._preamble + self._header.raw

    def _find_dialect(self, options: ReadOptions) -> None:
        with StoredFile(self._path) as stored:
            head = stored.read(HEAD_BYTES)
        is_whole = len(head) < HEAD_BYTES
        encoding = find_encoding(head, options.encoding, is_whole=is_whole)
        text = head.removeprefix(encoding.bom).decode(encoding.name, "replace")
        given = options.delimiter or ("\t" if self.format is Format.TSV else None)
        dialect = find_dialect(text, given, is_whole=is_whole)
        self.encoding = encoding.name
        self.delimiter = dialect.delimiter
        self.reading = ReadOptions(format=self.format, encoding=self.encoding, delimiter=self.delimiter)
        self._preamble = encoding.bom + dialect.preamble.encode(encoding.name)

    @property
    def sha256(self) -> str:
        """Return the hex digest of the stored bytes read by `batches`: of all after the last batch."""
        return self._stored.sha256 if self._stored else hashlib.sha256().hexdigest()

    @property
    def byte_count(self) -> int:
        """Return the number of stored bytes read by `batches` so far."""
        return self._stored.byte_count if self._stored else 0

    def batches(self) -> Iterator[TextBatch | TableFault]:
        """Yield the faults of the header, then the rows, and a fault for each that cannot be read."""
        with StoredFile(self._path) as stored:
            self._stored = stored
            yield from header_faults(self.columns, self._header.line)
            reader = self._records(stored)
            try:
                yield from self._sorted(iter(reader))
            except GZIP_ERRORS as error:
                yield gzip_fault(error, reader.line)
            stored.drain()

    def _sorted(self, records: Iterator[Records | BrokenRecord]) -> Iterator[TextBatch | TableFault]:
        header, rest = _take_header(records, self.encoding)
        if header != self._header:
            raise TableError(
                f"{self._path.name} was changed while it was read", fix="start the command again"
            )
        sorter = RowSorter(self.columns, self.encoding)
        for some in chain([rest], records):
            yield from sorter.sort(some)
        self.tail = sorter.tail

    def _records(self, stored: StoredFile) -> RecordReader:
        return RecordReader(stored, encoding=self.encoding, delimiter=self.delimiter, preamble=self._preamble)


def header_faults(names: tuple[str, ...], line: int) -> Iterator[TableFault]:
    """Yield a fault for each column without a name, and for each name that several columns have."""
    for number, name in enumerate(names, 1):
        if not name.strip():
            yield TableFault(
                line=line,
                code="empty-column-name",
                reason=f"column {number:,} of {len(names):,} has no name",
                fix="give it a name in the header; pandas: to_csv(index=False)"
                if number == 1
                else "give it a name in the header, or remove the delimiter where it ends all rows",
            )
    counts = Counter(names)
    for name, count in counts.items():
        if count > 1 and name.strip():
            places = [f"{number:,}" for number, other in enumerate(names, 1) if other == name]
            yield TableFault(
                line=line,
                column=name,
                code="duplicate-column-name",
                reason=f"{count:,} columns have this name: {', '.join(places)}",
                fix="give each column a name of its own in the header",
            )


class _Header(NamedTuple):
    names: list[str]
    raw: bytes  # with the blank lines before it
    line: int


def _take_header(records: Iterator[Records | BrokenRecord], encoding: str) -> tuple[_Header, Records]:
    """Return the first record that is not a blank line, and the records after it that came along."""
    blank: list[bytes] = []
    for some in records:
        if isinstance(some, BrokenRecord):
            raise _bad_header(some)
        for index, names in enumerate(some.cells):
            blank.append(some.raws[index])
            if names:
                if fault := foreign_bytes(names, some.lines[index], encoding):
                    raise _bad_header(fault)
                after = slice(index + 1, None)
                rest = Records(some.cells[after], some.raws[after], some.lines[after], some.needs_check)
                return _Header(names, b"".join(blank), some.lines[index]), rest
    raise TableError("the table is empty", fix="give a table whose first line has the names of its columns")


def _bad_header(fault: BrokenRecord) -> TableError:
    return TableError(f"line {fault.line}, in the header: {fault.reason}", fix=fault.fix)
