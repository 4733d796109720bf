"""A few rows of a labeled run, chosen at random: joined with their table, or as the database knows them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from runner.db.jobs import labeled_rows
from runner.db.jobs.labeled_rows import RowParts, RowRecord
from runner.output.labeled_table import LabeledTable
from runner.output.row_values import RowValues
from runner.output.table_input import opened_input
from runner.rules.recipes.row_reservoir import RowReservoir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow
    from runner.output.labeling import Labeling
    from runner.rules.labels.row_filter import RowFilter
    from runner.tables.table import RowBatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rows: `size` of those that fit the filter, by a seed."""

    size: int
    seed: int
    filter: RowFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledRow:
    """One row: its status, its error where it has one, its labels in their order, and its cells.

    `cells` is empty where the table was not read.
    """

    number: int
    status: str
    error: str | None
    labels: tuple[Any, ...]
    cells: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The chosen rows in their order, how many fit, and the columns of the table, if it was read."""

    rows: tuple[SampledRow, ...]
    matching: int
    columns: tuple[str, ...] = ()


def sampled_table(
    connection: Connection, run: RunRow, labeling: Labeling, path: Path, choice: Choice
) -> Sample:
    """Return rows of the run's table, with their cells. Reads all of it, in flat memory.

    Raises UsageError where the table is missing or has another content than it had.
    """
    plain = replace(labeling, extra=())
    with (
        opened_input(run, path, labeling.read) as table,
        closing(labeled_rows.pages(connection, run.id, RowParts())) as pages,
    ):
        chosen = _ChosenRows(choice, label_count=len(labeling.fields), column_count=len(table.columns))
        LabeledTable(table, pages, RowValues(plain, run.id), b"").write(chosen, chosen)
        columns = table.columns
    return chosen.sample(columns)


def sampled_jobs(connection: Connection, run: RunRow, labeling: Labeling, choice: Choice) -> Sample:
    """Return rows that the run knows, without cells: its table is not read, nor are excluded rows known."""
    values = RowValues(replace(labeling, extra=()), run.id)
    chosen = _ChosenRows(choice, label_count=len(labeling.fields), column_count=0)
    with closing(labeled_rows.pages(connection, run.id, RowParts())) as pages:
        for row in map(RowRecord._make, chain.from_iterable(pages)):
            chosen.add_row(row.number, values.of(row).values)
    return chosen.sample(())


class _ChosenRows:
    """Takes the place of the writer of a labeled table, and of its errors file: keeps a few rows."""

    def __init__(self, choice: Choice, *, label_count: int, column_count: int) -> None:
        self._fits = choice.filter.fits
        self._labels, self._columns = label_count, range(column_count)
        self._kept: RowReservoir[SampledRow] = RowReservoir(choice.size, choice.seed)

    def write(self, batch: RowBatch, added: Sequence[Sequence[Any]]) -> None:
        """Look at the rows of a batch; cells are read only where a row is taken."""
        taken = [
            place
            for place, values in enumerate(zip(*added, strict=True))
            if self._fits(values[self._labels], values) and self._kept.takes(batch.first + place)
        ]
        if not taken:
            return
        wanted = set(taken)
        for place, cells in enumerate(batch.values(self._columns)):
            if place in wanted:
                self._put(batch.first + place, tuple(column[place] for column in added), cells)

    def add_row(self, number: int, values: Sequence[Any]) -> None:
        """Look at one row without cells."""
        if self._fits(values[self._labels], values) and self._kept.takes(number):
            self._put(number, values, ())

    def sample(self, columns: tuple[str, ...]) -> Sample:
        """Return what was kept."""
        rows = tuple(row for _, row in self._kept.items())
        return Sample(rows=rows, matching=self._kept.seen, columns=columns)

    def add(self, chunk: bytes) -> None:
        """Drop a line of the errors file."""

    def finish(self) -> None:
        """Do nothing: there is no footer."""

    def _put(self, number: int, values: Sequence[Any], cells: tuple[Any, ...]) -> None:
        status, error = values[self._labels], values[self._labels + 1]
        labels = tuple(values[: self._labels])
        row = SampledRow(number=number, status=status, error=error, labels=labels, cells=cells)
        self._kept.put(number, row)
