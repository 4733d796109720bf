"""Reads the rows of a file of items: JSON lines, a JSON array, or a table; each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from runner.rules.diagnostics import Diagnostic, Problem
from runner.rules.json_text.strict_json import parse_object
from runner.rules.other_files.not_jobs import not_jobs
from runner.rules.other_files.other_file import cure_for
from runner.rules.table_faults import TableFault
from runner.tables.json_text import json_text
from runner.tables.lines import WHOLE_FILE, Line, LineReader
from runner.tables.open_table import format_by_ending, open_table
from runner.tables.stored_file import GZIP_ERRORS, StoredFile, gzip_fault
from runner.tables.table import Format, ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.tables.table import Table

_HEAD_BYTES: Final = 64 * 1024
_DOCUMENT_BYTES_MAX: Final = 256 << 20
_BOM: Final = b"\xef\xbb\xbf"
_OTHER_FORMS: Final = frozenset({"results-file", "foreign-form"})  # no jobs, but maybe items
_FIX: Final = "give items: one JSON object a line, a JSON array, CSV, TSV or Parquet"


class Place(NamedTuple):
    """Where a row is: its line in a text file of lines, else its number; both from 1."""

    line: int | None
    row: int | None

    def __str__(self) -> str:
        return f"line {self.line:,}" if self.row is None else f"row {self.row:,}"


class ItemRow(NamedTuple):
    """A row and its place."""

    place: Place
    members: dict[str, Any]


class ItemRows:
    """The rows of one file, read once: iterate over it, then read the digest.

    Yields a fault for what is no row; one of the file as a whole ends the reading. Raises TableError where
    the file cannot be read. `is_of_lines`: it is JSON lines.
    """

    def __init__(self, path: Path) -> None:
        """Look at the beginning of the file."""
        self.path = path
        self.sha256 = ""
        self.byte_count = 0
        head = _head(path)
        begin = head.removeprefix(_BOM).lstrip()[:1]
        ending = format_by_ending(path)
        self._is_array = begin == b"[" and ending in (None, Format.JSONL)
        self.is_of_lines = not self._is_array and (
            ending is Format.JSONL or (begin == b"{" and ending is None)
        )

    def __iter__(self) -> Iterator[ItemRow | TableFault]:
        """Yield the rows in their order."""
        if self._is_array:
            return self._of_array()
        return self._of_lines() if self.is_of_lines else self._of_table()

    def _of_lines(self) -> Iterator[ItemRow | TableFault]:
        reader = LineReader(self.path)
        is_first = True
        for item in reader:
            if isinstance(item, Diagnostic):
                yield _line_fault(item, self.path)
                continue
            members = parse_object(item.raw)
            if isinstance(members, Problem):
                yield from _read_again(item, self.path, reader if is_first else None)
            else:
                yield ItemRow(Place(item.number, None), members)
            is_first = False
        self.sha256, self.byte_count = reader.sha256, reader.byte_count

    def _of_array(self) -> Iterator[ItemRow | TableFault]:
        with StoredFile(self.path) as stored:
            content = stored.read(_DOCUMENT_BYTES_MAX + 1)
            stored.drain()
            self.sha256, self.byte_count = stored.sha256, stored.byte_count
        if len(content) > _DOCUMENT_BYTES_MAX:
            what = f"{self.path} is a JSON array larger than {_DOCUMENT_BYTES_MAX >> 20} MiB"
            raise TableError(what, fix=cure_for("write it as lines: jq -c '.[]' FILE > NEW", str(self.path)))
        try:
            rows: list[Any] = orjson.loads(content.removeprefix(_BOM))
        except orjson.JSONDecodeError as error:
            where = (f"line {error.lineno}, column {error.colno}",)
            fix = "correct it, or write one JSON object a line"
            raise TableError(f"{self.path} is no JSON: {error.msg}", where=where, fix=fix) from None
        for number, members in enumerate(rows, 1):
            if isinstance(members, dict):
                yield ItemRow(Place(None, number), members)
            else:
                fix = "write an object, from { to }"
                yield TableFault(row=number, code="not-an-object", reason="the item is no object", fix=fix)

    def _of_table(self) -> Iterator[ItemRow | TableFault]:
        table = open_table(self.path, ReadOptions())
        for item in table.batches():
            if isinstance(item, TableFault):
                yield item
                continue
            for number, cells in enumerate(item.values(range(len(table.columns))), item.first):
                yield ItemRow(Place(None, number), _members(table, cells))
        self.sha256, self.byte_count = table.sha256, table.byte_count


def _read_again(line: Line, path: Path, beginning: LineReader | None) -> Iterator[ItemRow | TableFault]:
    """Yield what a line is that is no object: many lines in a file of an old Mac, which ends them with CR.

    `beginning`: the reader if this is the first line, which may show that the file is another one.
    """
    pieces = [Line(number, raw) for number, raw in enumerate(line.raw.split(b"\r"), line.number)]
    for piece in [piece for piece in pieces if piece.raw.strip()]:
        members = parse_object(piece.raw)
        if not isinstance(members, Problem):
            yield ItemRow(Place(piece.number, None), members)
            continue
        if beginning is not None and piece.number == line.number:
            _refuse_other(piece.raw, beginning, path)
        yield _line_fault(members.at_line(piece.number), path)


def _members(table: Table, cells: tuple[Any, ...]) -> dict[str, Any]:
    """Return a row's cells by column, of types that JSON has."""
    members = dict(zip(table.columns, cells, strict=True))
    if table.format is Format.PARQUET:
        found: dict[str, Any] = orjson.loads(json_text(members))
        return found
    return members


def _head(path: Path) -> bytes:
    """Return the beginning of a file's content. Raises TableError."""
    try:
        with StoredFile(path) as stored:
            head = stored.read(_HEAD_BYTES)
    except GZIP_ERRORS as error:
        fault = gzip_fault(error)
        raise TableError(f"{path}: {fault.reason}", fix=fault.fix) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TableError(f"the items cannot be read: {path}: {reason}", fix="check the path") from error
    if not head.removeprefix(_BOM).strip():
        raise TableError(f"{path} is empty", fix=_FIX)
    return head


def _refuse_other(first: bytes, reader: LineReader, path: Path) -> None:
    """Raise TableError where the first line shows that this is no file of items."""
    other = not_jobs(first, reader.head)
    if other is not None and other.code not in _OTHER_FORMS:
        fix = cure_for(other.fix_of_table, str(path), is_gzip=reader.is_gzip)
        raise TableError(f"{path} is {other.what}", fix=fix)


def _line_fault(found: Diagnostic, path: Path) -> TableFault:
    if found.code in WHOLE_FILE - {"bad-gzip"}:
        raise TableError(f"{path}: {found.reason}", fix=cure_for(found.fix, str(path)))
    where = f" (character {found.column:,} of the line)" if found.column is not None else ""
    reason = found.reason.replace("; a job is one JSON object", "")
    return TableFault(line=found.line, code=found.code, reason=f"{reason}{where}", fix=found.fix)
