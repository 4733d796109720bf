"""Tables and wrapped sentences in 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 80
_GAP: Final = 2  # between columns, and before them where a block is indented


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as aligned lines, columns in `right` to the right; the first row may be a heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def facts(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return names with their values beside them, broken into lines that end within WIDTH."""
    names = max((len(name) for name, _ in rows), default=0)
    return table(
        [
            (name if nth == 0 else "", line)
            for name, value in rows
            for nth, line in enumerate(wrapped(value, WIDTH - names - 2 * _GAP))
        ]
    )


def wrapped(sentence: str, width: int) -> list[str]:
    """Return a sentence as lines, never broken within a word, so that commands can be copied."""
    return textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False) or [""]


def indented(lines: Sequence[str]) -> list[str]:
    """Return the lines with two spaces before each."""
    return [f"  {line}" for line in lines]
