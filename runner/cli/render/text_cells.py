"""Texts in the cells of a terminal: a wide character takes two of them, a combining one none."""

from __future__ import annotations

from typing import Final

ELLIPSIS: Final = "…"


def width(text: str) -> int:
    """Return how many cells a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # most screens have ASCII alone, and rich takes a while

    return cell_len(text)


def padded(text: str, cells: int, *, right: bool = False) -> str:
    """Return a text with spaces up to `cells`, behind it, or before it to align it to the right."""
    spaces = " " * max(0, cells - width(text))
    return f"{spaces}{text}" if right else f"{text}{spaces}"


def cut(text: str, cells: int) -> str:
    """Return a text in at most `cells` cells; a cut one ends in an ellipsis."""
    return text if width(text) <= cells else f"{_cropped(text, cells - 1)}{ELLIPSIS}"


def with_ellipsis(text: str, cells: int) -> str:
    """Return a text with an ellipsis at its end, in at most `cells` cells."""
    return f"{text if width(text) < cells else _cropped(text, cells - 1)}{ELLIPSIS}"


def chopped(text: str, cells: int) -> list[str]:
    """Return a text in parts of at most `cells` cells, "" as one."""
    if text.isascii():
        return [text[at : at + cells] for at in range(0, len(text), cells)] or [""]
    from rich.cells import chop_cells

    return chop_cells(text, cells) or [""]


def _cropped(text: str, cells: int) -> str:
    if text.isascii():
        return text[:cells].rstrip()
    from rich.cells import set_cell_size

    return set_cell_size(text, cells).rstrip()
