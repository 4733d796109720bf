"""CSV that is safe to open in a spreadsheet: no cell is run as a formula (OWASP, CSV injection)."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final

from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGINS_FORMULA: Final = ("=", "+", "-", "@", *"\t\r\uff1d\uff0b\uff0d\uff20")  # the last four: full width
_PASSED_OVER: Final = " \n\v\f\0\u00a0\u200b\u3000\ufeff"  # what may stand before a formula
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*(?:[eE][+-]?[0-9]+)?%?")


def csv_text(rows: Iterable[Iterable[str | int]]) -> str:
    """Return rows as CSV: a text like a formula gets a leading ', control characters are escaped."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: str | int) -> str | int:
    if isinstance(value, int):
        return value
    shown = plain(value)
    return f"'{shown}" if value.lstrip(" ").startswith(_BEGINS_FORMULA) else shown


def without_formula(text: str) -> str:
    """Return the text of a cell; where a spreadsheet would run it, with a leading '.

    The text is kept as it is, line ends included. A plain number, such as -1.5, is no formula.
    """
    if not text.lstrip(_PASSED_OVER).startswith(_BEGINS_FORMULA) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"
