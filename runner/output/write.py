"""Writes the three files of a run from the database: the same bytes each time, in input order."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.db import counters, ended_jobs, examples, runs
from runner.db.job_ids import job_id
from runner.output.file_owner import line_start, refuse_foreign_files, run_tag
from runner.output.files import DraftFile, FileFacts, Paths, paths, publish
from runner.output.output_line import EndedJob, make_line
from runner.rules.errors import UsageError
from runner.rules.prices import prices_as_of
from runner.rules.summary import RunFacts, summarize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.runs import RunRow
    from runner.db.session import Database

EXAMPLES_MAX: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFiles:
    """The written files: their paths, the facts of results and errors, and the content of the summary."""

    paths: Paths
    results: FileFacts
    errors: FileFacts
    summary: dict[str, Any]


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


def run_summary(
    connection: Connection, run: RunRow, counts: Mapping[tuple[str, str], int], files: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the summary of a run from its row and counters; `files` is its part about written files."""
    facts = RunFacts(
        id=run.id,
        name=run.name,
        state=run.state,
        paused_by=run.pause_reason,
        started_at_s=_seconds(run.started_at_ms),
        finished_at_s=_seconds(run.finished_at_ms),
        prices_as_of=prices_as_of,
        files=files,
        budget_ticks=run.options.budget_ticks,
        examples=_examples(connection, run.id, counts),
    )
    return summarize(facts, counts)


def _write(connection: Connection, run: RunRow, targets: Paths) -> WrittenFiles:
    tag = run_tag(run)
    with (
        DraftFile(targets.results) as good,
        DraftFile(targets.errors) as bad,
        DraftFile(targets.summary) as last,
    ):
        _write_lines(connection, run, line_start(tag), good, bad)
        good_facts, bad_facts = good.finish(), bad.finish()
        files = {"mark": tag, "results": asdict(good_facts), "errors": asdict(bad_facts)}
        summary = run_summary(connection, run, counters.read(connection, run.id), files)
        last.add(orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
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


def _examples(connection: Connection, run_id: int, counts: Mapping[tuple[str, str], int]) -> dict[str, str]:
    """Return the custom_id of one job for each of the commonest error codes and for each flaw."""
    by_code = {key: n for (kind, key), n in counts.items() if kind == "code" and n}
    codes = sorted(by_code, key=lambda code: (-by_code[code], code))[:EXAMPLES_MAX]
    flaws = sorted(key for (kind, key), n in counts.items() if kind == "flaw" and n)
    return examples.of_codes(connection, run_id, codes) | examples.of_flaws(connection, run_id, flaws)


def _seconds(at_ms: int | None) -> float | None:
    return None if at_ms is None else at_ms / 1000
