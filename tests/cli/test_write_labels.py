"""`runner write` of a run with labels: any format, any time, the input wherever it is."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from cli_calls import Called, run_command
from labeled_run import LabeledRun, labeled_run

from runner.db.session import Database
from runner.rules.row_status import RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATUSES = (RowStatus.OK, RowStatus.UNFINISHED, RowStatus.INVALID, RowStatus.EXCLUDED)


@pytest.fixture
def run(migrated_file: Path, tmp_path: Path) -> Iterator[LabeledRun]:
    """Load a run of four rows into a state folder."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    database = Database(f"sqlite:///{shutil.copy(migrated_file, home / 'runner.db')}")
    yield labeled_run(database, tmp_path / "reviews.csv", STATUSES)
    database.close()


def write(run: LabeledRun, *words: str, code: int = 0) -> Called:
    """Call `runner write` in the folder of the table."""
    folder = run.table.parent
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "RUNNER_HOME": str(folder / "home")}
    return run_command(["write", str(run.run_id), *words], folder, env, code)


def test_an_unfinished_run_is_written_with_all_of_its_rows(run: LabeledRun) -> None:
    """Those that are not finished say so."""
    called = write(run, "-o", "labeled.csv")

    rows = (run.table.parent / "labeled.csv").read_text().splitlines()
    assert rows[1:3] == [
        "00001,text 1,good,mark-1,ok,",
        "00002,text 2,,,unfinished,unfinished: There is no answer yet.",
    ]
    assert called.stdout.splitlines() == [
        "labeled.csv: 4 lines",
        "labeled.errors.jsonl: 2 lines",
        "labeled.summary.json",
    ]


def test_without_an_output_the_name_and_the_format_are_the_inputs(run: LabeledRun) -> None:
    """In the current folder."""
    summary = json.loads(write(run, "--json").stdout)

    assert summary["files"]["results"]["name"] == "reviews.labeled.csv"
    assert summary["rows"]["total"] == len(STATUSES)


def test_an_input_that_has_moved_is_named(run: LabeledRun) -> None:
    """The error says how, and the command then writes."""
    run.table.rename(run.table.with_name("moved.csv"))

    refused = write(run, "-o", "labeled.jsonl", code=2)
    assert f"runner write {run.run_id} --input PATH" in refused.stderr
    write(run, "-o", "labeled.jsonl", "--input", "moved.csv")
    assert len((run.table.parent / "labeled.jsonl").read_bytes().splitlines()) == len(STATUSES)


def test_a_table_for_a_spreadsheet_begins_with_a_byte_order_mark(run: LabeledRun) -> None:
    """Only with the flag."""
    write(run, "-o", "labeled.csv", "--spreadsheet")

    assert (run.table.parent / "labeled.csv").read_bytes().startswith(b"\xef\xbb\xbfid,text,")


def test_flags_of_tables_are_refused_for_a_run_without_a_table(run: LabeledRun) -> None:
    """The error says what they are for."""
    with run.database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET recipe = NULL")

    assert "has no table" in write(run, "-o", "out.jsonl", "--spreadsheet", code=2).stderr
    write(run, "-o", "out.jsonl")
