"""CSV that is safe to open in a spreadsheet: no cell is run as a formula (OWASP, CSV injection)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from runner.rules.redact import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGINS_FORMULA: Final = ("=", "+", "-", "@", *"\t\r\uff1d\uff0b\uff0d\uff20")  # the last four: full width


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
