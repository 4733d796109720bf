"""Text folded into a column of a terminal: escaped, its white space joined, wide characters as two cells."""

from __future__ import annotations

from typing import Final

from rich.cells import cell_len, chop_cells, set_cell_size

from runner.rules.redact import plain

_ELLIPSIS: Final = "…"
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
    return [*kept[:-1], _with_ellipsis(kept[-1] if kept else "", width)]


def padded(line: str, width: int) -> str:
    """Return a line with spaces up to `width` cells."""
    return line + " " * max(0, width - cell_len(line))


def _lines(words: str, width: int, lines_max: int) -> list[str]:
    """Return the first lines of a text; words that are too long for a line are broken."""
    lines: list[str] = []
    line = ""
    for word in words.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        lines += [line] if line else []
        *whole, line = chop_cells(word, width) or [""]
        lines += whole
        if len(lines) >= lines_max:
            return lines[:lines_max]
    return [*lines, line] if line else lines


def _with_ellipsis(line: str, width: int) -> str:
    if cell_len(line) >= width:
        line = set_cell_size(line, width - 1).rstrip()
    return f"{line}{_ELLIPSIS}"
