"""Tables and wrapped sentences in 80 columns."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 80
_COMMAND: Final = re.compile(
    r": ((?:[a-z][a-z0-9]* (?=[-'<])|runner ).*)$"
)  # as in "unpack it: xz -dc < a > b"
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


def wrapped(sentence: str, width: int, indent: str = "", rest: str = "") -> list[str]:
    """Return a sentence as lines, the first behind `indent`, the others behind `rest`.

    No word is broken, and a command at its end stands on one line, so that it can be copied.
    """
    is_long = len(indent) + len(sentence) > width
    command = _COMMAND.search(sentence) if is_long else None
    words = sentence if command is None else sentence[: command.start(1)].rstrip()
    lines = textwrap.wrap(
        words,
        width,
        initial_indent=indent,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
    return lines if command is None else [*lines, f"{rest}{command[1]}"]


def indented(lines: Sequence[str]) -> list[str]:
    """Return the lines with two spaces before each."""
    return [f"  {line}" for line in lines]
