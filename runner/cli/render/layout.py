"""Tables and wrapped sentences in 80 columns."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from runner.cli.render import text_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Shorten: TypeAlias = "Callable[[int, int], str]"  # from a row and a width

WIDTH: Final = 80
_COMMAND: Final = re.compile(
    r": ((?:[a-z][a-z0-9]* (?=[-'<])|runner ).*)$"
)  # as in "unpack it: xz -dc < a > b"
_GAP: Final = 2  # between columns, and before them where a block is indented


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as aligned lines, columns in `right` to the right; the first row may be a heading."""
    widths = _widths(rows, range(len(rows[0])))
    return [
        "  ".join(
            text_cells.padded(cell, widths[column], right=column in right) for column, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a table is brought into `width` cells.

    `right`: columns that are aligned to the right. `steps`: columns and the width to which each may be cut,
    one after the other, as far as it is needed. Where rows are too wide even so, each takes two lines: the
    columns before `fold_at`, and below them the others.
    """

    right: frozenset[int]
    steps: Sequence[tuple[int, int]]
    fold_at: int
    width: int = WIDTH


def fitted_table(
    rows: Sequence[Sequence[str]], fit: Fit, shorten: Mapping[int, Shorten] | None = None
) -> list[list[str]]:
    """Return rows as `table` does, in lines of `fit.width` cells at most: those of the heading, of each row.

    `shorten`: by column, what cuts its cells elsewhere than at their end.
    """
    every, shorten = range(len(rows[0])), shorten or {}
    widths = _narrowed(rows, every, fit, fit.width)
    if _total(widths) <= fit.width:
        return [[line] for line in _block(rows, every, widths, fit.right, shorten)]
    above, below = every[: fit.fold_at], every[fit.fold_at :]
    upper = _block(rows, above, _narrowed(rows, above, fit, fit.width), fit.right, shorten)
    lower = _block(rows, below, _narrowed(rows, below, fit, fit.width - _GAP), fit.right, shorten)
    return [[first, second] for first, second in zip(upper, indented(lower), strict=True)]


def _widths(rows: Sequence[Sequence[str]], columns: range) -> dict[int, int]:
    return {column: max(text_cells.width(row[column]) for row in rows) for column in columns}


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)


def _narrowed(rows: Sequence[Sequence[str]], columns: range, fit: Fit, most: int) -> dict[int, int]:
    """Return the widths of columns after as many steps as are needed for `most` cells in all."""
    widths = _widths(rows, columns)
    for column, least in fit.steps:
        over = _total(widths) - most
        if over > 0 and widths.get(column, 0) > least:
            widths[column] = max(least, widths[column] - over)
    return widths


def _block(
    rows: Sequence[Sequence[str]],
    columns: range,
    widths: Mapping[int, int],
    right: frozenset[int],
    shorten: Mapping[int, Shorten],
) -> list[str]:
    """Return some columns of rows as a table, with their cells cut to these widths."""
    shown = [
        [
            shorten[column](number, widths[column])
            if number and column in shorten
            else text_cells.cut(row[column], widths[column])
            for column in columns
        ]
        for number, row in enumerate(rows)
    ]
    return table(shown, right=frozenset(column - columns.start for column in right if column in columns))


def facts(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return names with their values beside them, broken into lines that end within WIDTH."""
    names = max((text_cells.width(name) for name, _ in rows), default=0)
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
