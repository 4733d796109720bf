"""The ids of jobs that come from the rows of a table."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from runner.rules.os_text import is_text

CHARACTERS_MAX: Final = 512
_RESERVED: Final = re.compile(r"row-[0-9]+|rows-[0-9]+-[0-9]+")


class IdFault(NamedTuple):
    """Why a cell is no id."""

    code: str
    reason: str
    fix: str


def numbered_id(row: int) -> str:
    """Return the id of a row, by its number from 1, in a table whose rows have no ids."""
    return f"row-{row}"


def cell_id(cell: Any) -> str | IdFault:
    """Return the id that a cell holds: a text as it is, or a whole number; or why it is none."""
    if type(cell) is int:
        return str(cell)
    if cell is None or (type(cell) is str and not cell.strip()):
        return IdFault(
            "empty-id", "the id is empty", "give the row an id, or leave out --id: it is then row-N"
        )
    if type(cell) is not str:
        return IdFault("bad-id", f"the id is no text: {cell!r:.40}", "write it as a text or a whole number")
    return _text_fault(cell) or cell


def _text_fault(text: str) -> IdFault | None:
    if len(text) > CHARACTERS_MAX:
        reason = f"the id has {len(text):,} characters"
        return IdFault("bad-id", reason, f"use at most {CHARACTERS_MAX}")
    if "\0" in text:
        return IdFault("bad-id", "the id holds the character NUL", "remove it; a database cannot keep it")
    if not is_text(text):
        return IdFault("bad-id", "the id is no valid Unicode", "save the table in UTF-8")
    if _RESERVED.fullmatch(text):
        reason = f'the id "{text}" is reserved for rows without an id'
        return IdFault("reserved-id", reason, "rename it, or use another column")
    return None
