"""The results and the errors file of a run with a recipe: its table with labels, and the rows without."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from runner.db.jobs import labeled_rows
from runner.db.jobs.labeled_rows import RowParts
from runner.output.contents import Contents
from runner.output.file_owner import line_start, run_tag
from runner.output.files import refuse_input
from runner.output.labeled_table import LabeledTable
from runner.output.labeling import chosen_columns, labeling_of
from runner.output.output_name import table_format
from runner.output.row_values import RowValues
from runner.output.table_input import opened_input
from runner.rules.errors import UsageError
from runner.rules.states import RunState
from runner.tables.table import Format, UnencodableError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow
    from runner.output.contents import TableOptions
    from runner.output.files import Paths
    from runner.output.labeling import Labeling
    from runner.rules.summary_object import RecodedFile
    from runner.tables.draft_file import DraftFile
    from runner.tables.table import Table, TableWriter


class LabeledFiles:
    """What is written of one run; made before anything is, so that wrong options are refused first."""

    def __init__(self, run: RunRow, targets: Paths, options: TableOptions) -> None:
        """Raise UsageError for an unknown ending, an option that does not fit it, or the input as output."""
        if run.state is RunState.LOADING:
            raise UsageError(f"run {run.id} is still being loaded", fix="load its table again")
        self._format = table_format(targets.results)
        self._is_for_spreadsheet = options.spreadsheet
        if options.spreadsheet and self._format not in (Format.CSV, Format.TSV):
            what = f"--spreadsheet does nothing for {self._format.value}"
            raise UsageError(what, fix="write a file that ends with .csv or .tsv")
        self._input = options.input_path or Path(run.input_path)
        refuse_input(targets, self._input, "the table")
        labeling = labeling_of(run.recipe or "")
        self._labeling = dataclasses.replace(
            labeling,
            extra=labeling.extra if options.columns is None else chosen_columns(options.columns),
            prefix=labeling.prefix if options.prefix is None else options.prefix,
        )

    def write(self, connection: Connection, run: RunRow, good: DraftFile, bad: DraftFile) -> Contents:
        """Write both files; return their facts and the rows by status.

        A CSV whose encoding lacks a character of a label is written in UTF-8 instead.
        """
        try:
            return self._written(connection, run, good, bad)
        except UnencodableError:
            good.restart()
            bad.restart()
            return self._written(connection, run, good, bad, as_utf8=True)

    def _written(
        self, connection: Connection, run: RunRow, good: DraftFile, bad: DraftFile, *, as_utf8: bool = False
    ) -> Contents:
        labeling = self._labeling
        with (
            opened_input(run, self._input, labeling.read) as table,
            closing(labeled_rows.pages(connection, run.id, _parts(labeling))) as pages,
        ):
            _check_added(labeling, table)
            values = RowValues(labeling, run.id, has_json_text=self._format in (Format.CSV, Format.TSV))
            joined = LabeledTable(table, pages, values, line_start(run_tag(run)))
            writer = self._writer(run, table, good, as_utf8=as_utf8)
            joined.write(writer, bad)
        results = good.finish(joined.counts.written)
        recoded = _recoded(writer)
        return Contents(
            results=results if recoded is None else replace(results, recoded=recoded),
            errors=bad.finish(),
            rows=joined.counts.by_status,
        )

    def _writer(self, run: RunRow, table: Table, sink: DraftFile, *, as_utf8: bool) -> TableWriter:
        added = self._labeling.added
        if self._format is Format.PARQUET:
            from runner.tables.parquet_writer import ParquetWriter

            return ParquetWriter(sink, table, added, mark=run_tag(run))
        from runner.tables.make_writer import make_writer

        return make_writer(
            self._format, sink, table, added, spreadsheet=self._is_for_spreadsheet, as_utf8=as_utf8
        )


def _check_added(labeling: Labeling, table: Table) -> None:
    """Raise UsageError where the table has a column of the name of an added one."""
    taken = [column.name for column in labeling.added if column.name in table.columns]
    if taken:
        what = f"the table has a column {', '.join(taken)} already"
        raise UsageError(what, fix="put a prefix before all added columns with --prefix")


def _recoded(writer: TableWriter) -> RecodedFile | None:
    from runner.tables.csv_writer import CsvWriter

    return writer.recoded if isinstance(writer, CsvWriter) else None


def _parts(labeling: Labeling) -> RowParts:
    extra = labeling.extra
    return RowParts(every_answer="answer" in extra, model="model" in extra, cost="cost" in extra)
