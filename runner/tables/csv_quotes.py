"""What the csv module leaves open: long cells, and where the quotes of a broken record go wrong."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from typing import Final, NamedTuple

QUOTE: Final = '"'
_CELL_CHARACTERS_MAX: Final = 512 * 1024 * 1024  # never reached: a row has its own limit
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


class QuoteFault(NamedTuple):
    """A quoted cell that does not end as it should.

    `cell` is its index, from 0; `opened` and `closed` are the indices, from 0, of the record's lines in which
    its quotes stand. `follows` is the text after the closing quote; where none closes, `closed` is None.
    """

    cell: int
    opened: int
    closed: int | None
    follows: str


def allow_long_cells() -> None:
    """Lift the limit of the csv module, 131,072 characters a cell, for this process."""
    csv.field_size_limit(_CELL_CHARACTERS_MAX)


def find_quote_fault(record: str, delimiter: str) -> QuoteFault:
    """Return the first fault of a record. Raise ValueError where it has none."""
    position = cell = 0
    ends = _cell_end(delimiter)
    while position < len(record):
        if record[position] == QUOTE:
            closing = _closing_quote(record, position + 1)
            if closing is None:
                return QuoteFault(cell, _lines_before(record, position), None, "")
            following = record[closing + 1 : closing + 2]
            if following not in ("", "\r", "\n", delimiter):
                lines = _lines_before(record, position), _lines_before(record, closing)
                return QuoteFault(cell, *lines, record[closing + 1 : closing + 21])
            position = closing + 1
        else:
            found = ends.search(record, position)
            position = found.start() if found else len(record)
        if record[position : position + 1] != delimiter:
            break
        position += 1
        cell += 1
    raise ValueError("the quotes of the record are right")


def _closing_quote(record: str, start: int) -> int | None:
    """Return the position of the first quote from `start` on that is not doubled."""
    position = record.find(QUOTE, start)
    while position != -1 and record[position + 1 : position + 2] == QUOTE:
        position = record.find(QUOTE, position + 2)
    return None if position == -1 else position


def _lines_before(record: str, position: int) -> int:
    return len(_LINE_END.findall(record, 0, position))


@lru_cache(maxsize=8)
def _cell_end(delimiter: str) -> re.Pattern[str]:
    return re.compile(rf"[{re.escape(delimiter)}\r\n]")
