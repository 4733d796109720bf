"""Writes the three files of a run from the database: the same bytes each time, in input order."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.db.jobs import ended_jobs
from runner.db.jobs.job_ids import job_id
from runner.db.runs import run_snapshot, runs
from runner.db.runs.run_snapshot import Part
from runner.output.contents import Contents, TableOptions
from runner.output.file_owner import line_start, refuse_foreign_files, run_tag
from runner.output.files import Paths, check_places, paths, refuse_input
from runner.output.labeling import labeling_of
from runner.output.output_line import EndedJob, make_line
from runner.output.output_name import check_lines_name
from runner.rules.errors import UsageError, UserError
from runner.rules.json_object import encoded
from runner.rules.os_text import reason_of
from runner.rules.summary_object import SummaryFiles
from runner.tables.draft_file import DraftFile, publish
from runner.tables.table import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection

    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.rules.labels.row_status import RowStatus
    from runner.rules.summary_object import RunSummary, WrittenFile


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFiles:
    """The written files: their paths, the facts of results and errors, and the content of the summary.

    `rows` are the rows of a labeled table by status; empty for other runs.
    """

    paths: Paths
    results: WrittenFile
    errors: WrittenFile
    summary: RunSummary
    rows: Mapping[RowStatus, int] = field(default_factory=dict)


def write_run(
    database: Database,
    run_id: int,
    output: Path,
    *,
    force: bool = False,
    table: TableOptions | None = None,
) -> WrittenFiles:
    """Write a run's results, OUT.errors.jsonl and OUT.summary.json from one snapshot of the database.

    The results of a run with a recipe are its table with labels, in the format that OUT ends with; those of
    other runs are JSON lines.

    Raises UsageError for an unknown run, for existing files that this run did not write (unless `force`), for
    the input as output, for an input that is missing or has changed, and for an unknown format; UserError
    where a write fails; all old files then stay as they were.
    """
    targets = paths(output)
    options = table or TableOptions()
    with database.read() as connection:
        run = _writable_run(connection, run_id, targets, force=force)
        if run.recipe is None:
            check_lines_name(output)
            _check_no_table(run, options)
            return _write(connection, run, targets, _write_lines)
        from runner.output.labeled_files import LabeledFiles  # its parts are slow to import

        return _write(connection, run, targets, LabeledFiles(run, targets, options).write)


@contextmanager
def temporary_results(
    database: Database, run_id: int, table: TableOptions | None = None
) -> Iterator[WrittenFiles]:
    """Write the files of a run into a temporary folder, which goes at the end of the block.

    A labeled table is written in the format that it was read in. Raises what `write_run` does, and UserError
    where there is no place for temporary files.
    """
    with database.read() as connection:
        run = runs.find(connection, run_id)
    name = "results.jsonl"
    if run is not None and run.recipe is not None:
        name = f"results.{labeling_of(run.recipe).read.format or Format.CSV}"
    with _temporary_folder() as folder:
        yield write_run(database, run_id, folder / name, table=table)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="runner-")
    except OSError as error:
        what = f"there is no place for temporary files: {reason_of(error)}"
        raise UserError(what, fix="set TMPDIR to a folder with room") from error
    with folder as path:
        yield Path(path)


def write_job_results(database: Database, run_id: int, output: Path) -> WrittenFiles:
    """Write the job results as JSON lines, also of a run with a recipe: where its table is not at hand.

    Raises what `write_run` does.
    """
    targets = paths(output)
    with database.read() as connection:
        run = _writable_run(connection, run_id, targets, force=False)
        return _write(connection, run, targets, _write_lines)


def _writable_run(connection: Connection, run_id: int, targets: Paths, *, force: bool) -> RunRow:
    run = runs.find(connection, run_id)
    if run is None:
        raise UsageError(f"there is no run {run_id}", fix="runner list shows the runs")
    check_places(targets)
    refuse_input(targets, Path(run.input_path), f"the input of run {run.id}")
    refuse_foreign_files(targets, run_tag(run), force=force)
    return run


def _check_no_table(run: RunRow, options: TableOptions) -> None:
    if options != TableOptions():
        what = f"run {run.id} has no table: it is no run of runner label"
        raise UsageError(what, fix="leave out --input, --spreadsheet, --columns and --prefix")


def _write(
    connection: Connection,
    run: RunRow,
    targets: Paths,
    write: Callable[[Connection, RunRow, DraftFile, DraftFile], Contents],
) -> WrittenFiles:
    tag = run_tag(run)
    with (
        DraftFile(targets.results) as good,
        DraftFile(targets.errors) as bad,
        DraftFile(targets.summary, keeps_stale=True) as last,
    ):
        contents = write(connection, run, good, bad)
        files = SummaryFiles(mark=tag, results=contents.results, errors=contents.errors)
        summary = run_snapshot.read_run(connection, run, Part.EXAMPLES).summary(files, contents.rows)
        last.add(encoded(summary, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        last.finish()
        publish([good, bad, last])
    return WrittenFiles(
        paths=targets,
        results=contents.results,
        errors=contents.errors,
        summary=summary,
        rows=contents.rows or {},
    )


def _write_lines(connection: Connection, run: RunRow, good: DraftFile, bad: DraftFile) -> Contents:
    start, add_good, add_bad = line_start(run_tag(run)), good.add, bad.add
    pages = ended_jobs.pages(connection, job_id(run.id, 0), job_id(run.id + 1, 0) - 1)
    for row in map(EndedJob._make, chain.from_iterable(pages)):
        is_good, line = make_line(start, row)
        if is_good:
            add_good(line)
        else:
            add_bad(line)
    return Contents(results=good.finish(), errors=bad.finish())
