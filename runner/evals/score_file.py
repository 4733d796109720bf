"""Reads a table of scores: columns `id`, `score` and, where items were answered several times, `epoch`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from runner.rules.table_faults import TableFault
from runner.tables.open_table import open_table
from runner.tables.table import ReadOptions, TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from runner.rules.evaluation.scores import Score, Scores
    from runner.tables.table import Table

_COLUMNS: Final = ("id", "score")
_EPOCH: Final = "epoch"
_WORDS: Final = {"true": 1, "false": 0}
_FIX: Final = "a score is a number from 0 to 1, true or false, or empty where the answer was not scored"


def read_scores(path: Path) -> Scores:
    """Return the scores of a CSV, TSV, JSONL or Parquet file by item, in the order of the file.

    Without a column `epoch` each line of an item is another answer. Raises TableError where the file cannot
    be read, a score is none, or an item has two scores of one epoch.
    """
    table = open_table(path, ReadOptions())
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise TableError(
            f'{path} has no column "{missing[0]}"', fix=f"name its columns {' and '.join(_COLUMNS)}"
        )
    names = (*_COLUMNS, _EPOCH) if _EPOCH in table.columns else _COLUMNS
    places = [table.columns.index(name) for name in names]
    found: dict[str, list[Score]] = {}
    seen: set[tuple[str, str]] = set()
    for row, (key, score, *epoch) in _rows(table, places, path):
        item_id = _text(key)
        if epoch:
            _refuse_twice(seen, (item_id, _text(epoch[0])), path, row)
        found.setdefault(item_id, []).append(_score(score, path, row))
    if not found:
        raise TableError(f"{path} has no scores", fix="give it a line for each answer")
    return found


def _rows(table: Table, places: Sequence[int], path: Path) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the number of each row with the cells of some columns. Raises TableError."""
    for item in table.batches():
        if isinstance(item, TableFault):
            raise TableError(f"{path} cannot be read: {item.reason}", where=_where(item.row), fix=item.fix)
        yield from enumerate(item.values(places), item.first)


def _refuse_twice(seen: set[tuple[str, str]], answer: tuple[str, str], path: Path, row: int) -> None:
    """Add the item and epoch of an answer. Raises TableError where they are there already."""
    if answer in seen:
        item, epoch = answer
        what = f'{path} has the item "{item:.60}" twice in epoch {epoch:.20}'
        raise TableError(what, where=_where(row), fix="give each answer an epoch of its own")
    seen.add(answer)


def _score(cell: Any, path: Path, row: int) -> Score:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    value = _WORDS.get(_text(cell).strip().lower(), cell)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise TableError(f'{path} has "{_text(cell):.60}" as a score', where=_where(row), fix=_FIX)
    return int(number) if number in (0, 1) else number


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(cell)


def _where(row: int | None) -> tuple[str, ...]:
    return () if row is None else (f"row {row:,}",)
