"""All items of a night as CSV: NIGHT.items.csv, safe to open in a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.spreadsheet import csv_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class ItemLine(NamedTuple):
    """An item of the night, by one variant and one grader, both measurements together.

    `measured` of its `answers` have a score, `score` is their sum; None where none has. `base_answers` and
    `base_score` are those with a score in the baseline; None without one. `labels` are those of the grades,
    one for each answer.
    """

    variant: str
    id: str
    grader: str
    answers: int
    measured: int
    score: float | None
    base_answers: int | None
    base_score: float | None
    labels: tuple[str, ...]


HEADINGS: Final = ItemLine._fields


def items_csv(lines: Iterable[ItemLine]) -> Iterator[str]:
    """Yield the lines of the file, line ends included, the headings first."""
    yield csv_text([HEADINGS])
    for line in lines:
        labels = "; ".join(line.labels) if any(line.labels) else ""
        yield csv_text([[*map(_cell, line[:-1]), labels]])


def _cell(value: str | float | None) -> str | int:
    """Return a cell; a sum of whole scores is a whole number."""
    if value is None:
        return ""
    if isinstance(value, float):
        return int(value) if value.is_integer() else repr(value)
    return value
