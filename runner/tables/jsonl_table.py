"""Reads JSONL: a JSON object a line, each of them a row.

The keys of all rows are the columns. They are found by a pass of its own over the file, since a key may come
first in the last row. A key that a row lacks is None, as null is.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from runner.rules.diagnostics import Diagnostic, Problem
from runner.rules.json_text.answer_json import without_surrogates
from runner.rules.json_text.strict_json import parse_object
from runner.rules.other_files.not_jobs import not_jobs
from runner.rules.other_files.other_file import cure_for
from runner.rules.table_faults import TableFault
from runner.tables.jsonl_columns import ColumnSurvey
from runner.tables.lines import WHOLE_FILE, Line, LineReader
from runner.tables.table import ROWS_PER_BATCH, Format, ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.tables.table import CellKind

BATCH_BYTES_MAX: Final = 8 << 20  # so that long rows do not fill the memory
_UTF8_NAMES: Final = frozenset({"utf-8", "utf8", "utf-8-sig"})
_ONE_OBJECT_A_LINE: Final = "write one JSON object a line, as `jq -c '.[]' FILE` does with an array"
_GOOD_ROWS: Final = frozenset({"results-file", "foreign-form"})  # no jobs, but a table
_LONG_INTEGER_DIGITS: Final = 19  # an integer beyond 64 bits has at least so many
_DIGITS_AS_ZERO: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_RUN: Final = b"0" * _LONG_INTEGER_DIGITS

# Faults of lines, in words for tables; the line reader's own are for job files.
_WORDS: Final = {
    "empty-file": ("the file holds no row", "write one JSON object a line"),
    "line-too-long": (None, "leave out the long values, or put them into files of their own"),
    "not-an-object": ("the line is JSON, but not an object", _ONE_OBJECT_A_LINE),
}


class JsonlRow(NamedTuple):
    """A row: its line as it was, without the line end, and its members."""

    raw: bytes
    members: dict[str, Any]


@dataclass(slots=True)
class JsonlBatch:
    """Rows of a JSONL table in their order; `first` is the number of the first one, from 1."""

    first: int
    rows: list[JsonlRow]
    table: JsonlTable

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def values(self, columns: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the values of some columns, row by row: what JSON holds, None for null or a missing key."""
        names = [self.table.columns[column] for column in columns]
        for row in self.rows:
            yield tuple(map(row.members.get, names))


class JsonlTable:
    """A table of JSON objects, one a line, plain or as gzip; blank lines are no rows.

    `columns` are the keys of all good rows, in the order in which they come first; `kinds` has for each the
    type that holds all its values unchanged.
    """

    format: Format = Format.JSONL
    reading: ReadOptions = ReadOptions(format=Format.JSONL)

    def __init__(self, path: Path, options: ReadOptions) -> None:
        """Read the file once for its columns.

        Raise TableError if this is no JSONL, or has more than COLUMNS_MAX keys; OSError if unreadable.
        """
        _check_options(options)
        self._lines = LineReader(path)
        reader = LineReader(path)
        with closing(iter(reader)) as lines:
            if problem := _wrong_beginning(next(lines), reader, path):
                raise problem
        self.kinds: dict[str, CellKind] = _kinds_of_columns(path)
        self.columns: tuple[str, ...] = tuple(self.kinds)

    @property
    def sha256(self) -> str:
        """Return the hex digest of the stored bytes; of all of them after the last batch."""
        return self._lines.sha256

    @property
    def byte_count(self) -> int:
        """Return the number of stored bytes that `batches` has read so far."""
        return self._lines.byte_count

    def batches(self) -> Iterator[JsonlBatch | TableFault]:
        """Yield the rows, at most ROWS_PER_BATCH and about BATCH_BYTES_MAX at once, and faults between them.

        A fault of a row has its number; one without a number ends the table, since the rest is missing.
        """
        batch, byte_count = JsonlBatch(1, [], self), 0
        for item in self._rows():
            if isinstance(item, JsonlRow):
                batch.rows.append(item)
                byte_count += len(item.raw)
                if len(batch) < ROWS_PER_BATCH and byte_count < BATCH_BYTES_MAX:
                    continue
            if batch.rows:
                yield batch
            following = batch.first + len(batch)
            if isinstance(item, TableFault):
                yield item
                following += 1
            batch, byte_count = JsonlBatch(following, [], self), 0
        if batch.rows:
            yield batch

    def _rows(self) -> Iterator[JsonlRow | TableFault]:
        number = 0
        for item in self._lines:
            if isinstance(item, Line):
                number += 1
                members = _parsed(item.raw)
                if isinstance(members, Problem):
                    yield replace(_fault(members.at_line(item.number), number), column=_column_of(members))
                else:
                    yield JsonlRow(item.raw, members)
            elif item.code in WHOLE_FILE:
                yield _fault(item, None)
            else:
                number += 1
                yield _fault(item, number)


def _kinds_of_columns(path: Path) -> dict[str, CellKind]:
    survey = ColumnSurvey()
    for item in LineReader(path):
        if isinstance(item, Line) and isinstance(members := _members(item.raw), dict):
            survey.add(members)
    return survey.kinds


def _members(raw: bytes) -> object:
    """Return the value of a line, parsed fast: rows are refused when they are read, not here."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:  # the strict parser knows better in a few cases
        return parse_object(raw)


def _parsed(raw: bytes) -> dict[str, Any] | Problem:
    """Return the members of a line's object with integers of any size, or the problem that refuses it."""
    members = parse_object(raw)
    if isinstance(members, Problem) or len(raw) < _LONG_INTEGER_DIGITS:
        return members
    if _LONG_RUN in raw.translate(_DIGITS_AS_ZERO):  # the strict parser makes a float of a long integer
        exact: dict[str, Any] = json.loads(raw)
        return exact
    return members


def _column_of(problem: Problem) -> str | None:
    """Return the column that a value with a problem is in, or None: a name of half a character is none."""
    name = problem.path[0] if problem.path else None
    return name if isinstance(name, str) and without_surrogates(name) == name else None


def _fault(item: Diagnostic, row: int | None) -> TableFault:
    reason, fix = _WORDS.get(item.code, (None, item.fix))
    reason = reason or item.reason
    if item.column is not None:
        reason = f"{reason} (character {item.column:,} of the line)"
    return TableFault(row=row, line=item.line, code=item.code, reason=reason, fix=fix)


def _wrong_beginning(first: Line | Diagnostic, reader: LineReader, path: Path) -> TableError | None:
    """Return the error of a file that is no JSONL, by its first line and its beginning."""
    where = (f"line {first.line if isinstance(first, Diagnostic) else first.number}",)
    if isinstance(first, Diagnostic):
        if first.code not in WHOLE_FILE - {"bad-gzip"}:
            return None
        fault = _fault(first, None)
        reason, fix = fault.reason, fault.fix
    else:
        other = None if isinstance(parse_object(first.raw), dict) else not_jobs(first.raw, reader.head)
        if other is None or other.code in _GOOD_ROWS:
            return None
        reason, fix = f"the file is {other.what}, not JSONL", other.fix_of_table
    return TableError(reason, where=where, fix=cure_for(fix, str(path), is_gzip=reader.is_gzip))


def _check_options(options: ReadOptions) -> None:
    if options.delimiter is not None:
        raise TableError("JSONL has no delimiter", fix="leave it out, or name CSV as the format")
    if options.encoding is not None and options.encoding.lower().replace("_", "-") not in _UTF8_NAMES:
        what = f"JSONL is UTF-8, not {options.encoding}"
        raise TableError(what, fix=f"make it UTF-8: iconv -f {options.encoding} -t UTF-8 FILE > NEW")
