"""Text folded into a column of a terminal: escaped, its white space joined, wide characters as two cells."""

from __future__ import annotations

from typing import Final

from runner.cli.render import text_cells
from runner.rules.redact import plain

_ESCAPED_MAX: Final = 10  # characters that one may be shown as


def folded(words: str, width: int, lines_max: int) -> list[str]:
    """Return a text as at most `lines_max` lines of at most `width` cells, "" as one empty line.

    A text that is cut ends in an ellipsis; only so much of it is read as is shown.
    """
    read = words[: (width + 1) * lines_max * _ESCAPED_MAX]
    lines = _lines(plain(" ".join(read.split())), width, lines_max + 1)
    if len(lines) <= lines_max and len(read) == len(words):
        return lines or [""]
    kept = lines[:lines_max]
    return [*kept[:-1], text_cells.with_ellipsis(kept[-1] if kept else "", width)]


def hanging(words: str, width: int, lines_max: int) -> list[str]:
    """Return a text folded as `folded` does, its lines below the first one indented by two."""
    first, *others = folded(words, width - 2, lines_max)
    return [first, *(f"  {line}" for line in others)]


def _lines(words: str, width: int, lines_max: int) -> list[str]:
    """Return the first lines of a text; words that are too long for a line are broken."""
    lines: list[str] = []
    line = ""
    for word in words.split(" "):
        joined = f"{line} {word}" if line else word
        if text_cells.width(joined) <= width:
            line = joined
            continue
        lines += [line] if line else []
        *whole, line = text_cells.chopped(word, width)
        lines += whole
        if len(lines) >= lines_max:
            return lines[:lines_max]
    return [*lines, line] if line else lines
