"""Writes the three files of a run from the database: the same bytes each time, in input order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import orjson

from runner.db import ended_jobs, run_snapshot, runs
from runner.db.job_ids import job_id
from runner.db.run_snapshot import Part
from runner.output.file_owner import line_start, refuse_foreign_files, run_tag
from runner.output.files import DraftFile, Paths, paths, publish
from runner.output.output_line import EndedJob, make_line
from runner.rules.errors import UsageError
from runner.rules.json_object import encoded
from runner.rules.summary_object import SummaryFiles

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.runs import RunRow
    from runner.db.session import Database
    from runner.rules.summary_object import RunSummary, WrittenFile


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFiles:
    """The written files: their paths, the facts of results and errors, and the content of the summary."""

    paths: Paths
    results: WrittenFile
    errors: WrittenFile
    summary: RunSummary


def write_run(database: Database, run_id: int, output: Path, *, force: bool = False) -> WrittenFiles:
    """Write OUT.jsonl, OUT.errors.jsonl and OUT.summary.json from one snapshot of the database.

    Raises UsageError for an unknown run and for existing files that this run did not write (unless
    `force`), UserError where a write fails; all old files then stay as they were.
    """
    targets = paths(output)
    with database.read() as connection:
        run = runs.find(connection, run_id)
        if run is None:
            raise UsageError(f"there is no run {run_id}", fix="runner list shows the runs")
        refuse_foreign_files(targets, run_tag(run), force=force)
        return _write(connection, run, targets)


def _write(connection: Connection, run: RunRow, targets: Paths) -> WrittenFiles:
    tag = run_tag(run)
    with (
        DraftFile(targets.results) as good,
        DraftFile(targets.errors) as bad,
        DraftFile(targets.summary) as last,
    ):
        _write_lines(connection, run, line_start(tag), good, bad)
        good_facts, bad_facts = good.finish(), bad.finish()
        files = SummaryFiles(mark=tag, results=good_facts, errors=bad_facts)
        summary = run_snapshot.read_run(connection, run, Part.EXAMPLES).summary(files)
        last.add(encoded(summary, orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        last.finish()
        publish([good, bad, last])
    return WrittenFiles(paths=targets, results=good_facts, errors=bad_facts, summary=summary)


def _write_lines(connection: Connection, run: RunRow, start: bytes, good: DraftFile, bad: DraftFile) -> None:
    add_good, add_bad = good.add, bad.add
    pages = ended_jobs.pages(connection, job_id(run.id, 0), job_id(run.id + 1, 0) - 1)
    for row in map(EndedJob._make, chain.from_iterable(pages)):
        is_good, line = make_line(start, row)
        if is_good:
            add_good(line)
        else:
            add_bad(line)
