"""Finds the delimiter of a CSV file by its header and first rows."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import Final, NamedTuple

from runner.rules.errors import UsageError
from runner.tables.csv_quotes import QUOTE, allow_long_cells

_CANDIDATES: Final = ",;\t|"
_ROWS_MAX: Final = 200
_SPELLED: Final = {r"\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_NAMED_IN_FILE: Final = re.compile(r"sep=([^\r\n\"])(\r\n|\r|\n)", re.IGNORECASE)


class CsvDialect(NamedTuple):
    """A delimiter, and the text before the header that names it (as `sep=;` for Excel), or ""."""

    delimiter: str
    preamble: str


def find_dialect(text: str, given: str | None, *, is_whole: bool) -> CsvDialect:
    """Return the dialect of a file that begins with `text`; `is_whole` says that it is all of the file.

    Among comma, semicolon, tab and bar, it is the one by which most of the first rows have as many cells as
    the header, then the one that makes most columns. Delimiters in quoted cells do not count. A header
    without any of them is one column, and the delimiter a comma. Raise UsageError where the given delimiter
    is not one character, or cannot be one.
    """
    allow_long_cells()
    named = _NAMED_IN_FILE.match(text)
    preamble = named[0] if named else ""
    if given is not None:
        return CsvDialect(_checked(given), preamble)
    if named:
        return CsvDialect(named[1], preamble)
    scores = {delimiter: _score(text, delimiter, is_whole=is_whole) for delimiter in _CANDIDATES}
    best = max(_CANDIDATES, key=scores.__getitem__)  # the first of equals
    return CsvDialect(best, "")


def _score(text: str, delimiter: str, *, is_whole: bool) -> tuple[float, int]:
    """Return the share of rows that are as long as the header, and that length; (0, 0) if there is none."""
    rows = _first_rows(text, delimiter, is_whole=is_whole)
    if not rows or len(rows[0].cells) == 1 or rows[0].is_torn:
        return 0.0, 0
    length, others = len(rows[0].cells), rows[1:]
    if not others:
        return 1.0, length
    alike = sum(len(row.cells) == length and not row.is_torn for row in others)
    return (alike / len(others), length) if alike else (0.0, 0)


class _Row(NamedTuple):
    """The cells of a row by one delimiter; torn: a delimiter in quotes was taken for one."""

    cells: list[str]
    is_torn: bool


def _first_rows(text: str, delimiter: str, *, is_whole: bool) -> list[_Row]:
    """Return the header and up to _ROWS_MAX rows, without one that may be cut."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(iter(lines), delimiter=delimiter)
    rows, begin = [], 0
    for cells in islice(reader, _ROWS_MAX + 1):
        if cells:
            rows.append(_Row(cells, _is_torn(cells, "".join(lines[begin : reader.line_num]), delimiter)))
        begin = reader.line_num
    if not is_whole and len(rows) > 1 and not next(reader, None):
        rows.pop()
    return rows


def _is_torn(cells: list[str], raw: str, delimiter: str) -> bool:
    """Return whether half of the quotes stand in one cell, and that cell in the file as it is.

    A cell of one quote mark is written with four, so it does not stand there as it is.
    """
    within = delimiter + raw.rstrip("\r\n") + delimiter
    return any(cell.count(QUOTE) % 2 and f"{delimiter}{cell}{delimiter}" in within for cell in cells)


def _checked(given: str) -> str:
    delimiter = _SPELLED.get(given.lower(), given)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise UsageError(
            f"the delimiter {given!r} is not one character that can stand between cells",
            fix="give one character, such as ';', or tab",
        )
    return delimiter
