"""Runs with labels for tests: a table on disk, each of its rows brought to a status, without an engine."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from run_driver import COST, NOW_MS, RunDriver, new_job, received, settled

from runner.db.intake import new_jobs, new_rows
from runner.db.intake.new_rows import NewRow
from runner.db.jobs.job_ids import job_id
from runner.db.moves import result_moves
from runner.db.moves.outcomes import Cause
from runner.db.runs import run_moves, runs
from runner.db.runs.run_row import RunOptions
from runner.rules.labels.row_status import RowStatus
from runner.rules.states import Event, JobState
from runner.tables.pyarrow_import import import_pyarrow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runner.db.session import Database

SCHEMA: Final = {
    "type": "object",
    "properties": {
        "mood": {"type": "string", "enum": ["good", "bad"]},
        "mark": {"type": "string"},
    },
    "required": ["mood", "mark"],
    "additionalProperties": False,
}
STATES: Final = {
    RowStatus.FAILED: JobState.FAILED,
    RowStatus.HELD: JobState.HELD,
    RowStatus.CANCELLED: JobState.CANCELLED,
    RowStatus.UNFINISHED: JobState.WAITING,
}
WITHOUT_JOB: Final = frozenset({RowStatus.SKIPPED, RowStatus.EXCLUDED})
INVALID: Final = Cause(code="invalid", message="mood: expected one of good, bad", http_status=200)
FAULT: Final = "printing null: column text"


def answer(content: str | None, model: str = "grok-4.3") -> bytes:
    """Return the body of an answer with a text."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return json.dumps({"model": model, "choices": [choice]}).encode("utf-8", "surrogatepass")


def labels_of(number: int) -> dict[str, Any]:
    """Return the labels of a row: `mark` names it."""
    return {"mood": "good" if number % 2 else "bad", "mark": f"mark-{number}"}


def csv_bytes(rows: Sequence[Sequence[str]], delimiter: str = ",") -> bytes:
    """Return rows with a header as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([("id", "text"), *rows])
    return text.getvalue().encode()


def jsonl_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    """Return rows as JSON lines."""
    return b"".join(json.dumps({"id": id_, "text": text}).encode() + b"\n" for id_, text in rows)


def parquet_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    """Return rows as Parquet."""
    pa = import_pyarrow()
    sink = io.BytesIO()
    columns = {"id": [row[0] for row in rows], "text": [row[1] for row in rows]}
    pa.parquet.write_table(
        pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()}), sink
    )
    return sink.getvalue()


def table_bytes(ending: str, rows: Sequence[Sequence[str]]) -> bytes:
    """Return rows in the format of an ending."""
    if ending in (".csv", ".tsv"):
        return csv_bytes(rows, "\t" if ending == ".tsv" else ",")
    return jsonl_bytes(rows) if ending == ".jsonl" else parquet_bytes(rows)


@dataclass(slots=True)
class LabeledRun:
    """A run whose rows have the given statuses, and its table."""

    driver: RunDriver
    table: Path
    statuses: list[RowStatus]
    jobs: dict[int, int] = field(default_factory=dict)  # by the number of the row

    @property
    def database(self) -> Database:
        """Return the database of the run."""
        return self.driver.database

    @property
    def run_id(self) -> int:
        """Return the id of the run."""
        return self.driver.run_id


def recipe_of(schema: dict[str, Any] = SCHEMA, **sections: Any) -> str:
    """Return a stored recipe."""
    return json.dumps({"schema": schema, **sections})


def labeled_run(
    database: Database,
    table: Path,
    statuses: Sequence[RowStatus],
    *,
    recipe: str | None = None,
    content: bytes | None = None,
    bodies: dict[int, bytes] | None = None,
) -> LabeledRun:
    """Write a table and load its run; bring each row to its status, with `bodies` of answers by row.

    The run maps rows to jobs where a row without a job stands before one with a job.
    """
    rows = [(f"{number:05}", f"text {number}") for number in range(1, len(statuses) + 1)]
    table.write_bytes(table_bytes(table.suffix, rows) if content is None else content)
    run_id = _load(database, table, statuses, recipe or recipe_of())
    run = LabeledRun(RunDriver(database, run_id), table, list(statuses))
    with_job = [number for number, status in enumerate(statuses, 1) if status not in WITHOUT_JOB]
    for ordinal, number in enumerate(with_job):
        run.jobs[number] = job_id(run_id, ordinal)
        body = (bodies or {}).get(number, answer(json.dumps(labels_of(number))))
        bring(run.driver, statuses[number - 1], body)
    return run


def bring(driver: RunDriver, status: RowStatus, body: bytes) -> int:
    """Bring the next job of a run to a status; return its id."""
    if status in STATES:
        return driver.bring(STATES[status]).job_id
    (lease,) = driver.lease()
    driver.send(lease)
    driver.apply(result_moves.stored, received(lease.job_id, body=body))
    is_ok = status is RowStatus.OK
    event, target = (Event.SUCCEEDED, JobState.SUCCEEDED) if is_ok else (Event.INVALID, JobState.FAILED)
    row = settled(lease.job_id, lease.attempt, event, target, COST)
    driver.apply(result_moves.settled, row if is_ok else replace(row, cause=INVALID))
    return lease.job_id


def _load(database: Database, table: Path, statuses: Sequence[RowStatus], recipe: str) -> int:
    with_job = [number for number, status in enumerate(statuses, 1) if status not in WITHOUT_JOB]
    is_mapped = RowStatus.SKIPPED in statuses or with_job != list(range(1, len(with_job) + 1))
    with database.write() as connection:
        run_id = runs.begin(
            connection,
            identity=hashlib.sha256(bytes(table)).hexdigest(),
            name="reviews",
            input_path=str(table),
            input_sha256=hashlib.sha256(table.read_bytes()).hexdigest(),
            options=RunOptions(),
            now_ms=NOW_MS,
            recipe=recipe,
        )
        jobs = [new_job(number)._replace(custom_id=f"row-{number}") for number in with_job]
        new_jobs.insert(connection, run_id, 0, jobs)
        if is_mapped:
            mapped = [NewRow(number, job_id(run_id, nth)) for nth, number in enumerate(with_job)]
            skipped = [
                NewRow(number, fault=FAULT)
                for number, status in enumerate(statuses, 1)
                if status is RowStatus.SKIPPED
            ]
            new_rows.insert(connection, run_id, sorted([*mapped, *skipped]))
        run_moves.set_ready(connection, run_id, len(jobs))
        run_moves.start(connection, run_id, NOW_MS)
    return run_id
