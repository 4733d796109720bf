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

    from runner.rules.evaluation.gate.scores import Score, Scores
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
    found = read_epoch_scores(path)
    if not found:
        raise TableError(f"{path} has no scores", fix="give it a line for each answer")
    return {item: list(scores.values()) for item, scores in found.items()}


def read_epoch_scores(path: Path) -> dict[str, dict[str, Score]]:
    """Return the scores of a file by item and epoch; without epochs, lines of an item count from "1".

    Raises TableError as `read_scores` does, but a file without lines has no scores.
    """
    table = open_table(path, ReadOptions())
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        lacking = " and no ".join(f'column "{name}"' for name in missing)
        raise TableError(f"{path} has no {lacking}", fix=f"name its columns {' and '.join(_COLUMNS)}")
    names = (*_COLUMNS, _EPOCH) if _EPOCH in table.columns else _COLUMNS
    places = [table.columns.index(name) for name in names]
    found: dict[str, dict[str, Score]] = {}
    for row, (key, score, *epoch) in _rows(table, places, path):
        item_id = _text(key)
        scores = found.setdefault(item_id, {})
        name = _text(epoch[0]) if epoch else str(len(scores) + 1)
        if name in scores:
            what = f'{path} has the item "{item_id:.60}" twice in epoch {name:.20}'
            raise TableError(what, where=_where(row), fix="give each answer an epoch of its own")
        scores[name] = _score(score, path, row)
    return found


def _rows(table: Table, places: Sequence[int], path: Path) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield the number of each row with the cells of some columns. Raises TableError."""
    for item in table.batches():
        if isinstance(item, TableFault):
            raise TableError(f"{path} cannot be read: {item.reason}", where=_where(item.row), fix=item.fix)
        yield from enumerate(item.values(places), item.first)


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
