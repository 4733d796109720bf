"""`runner write` of a run with labels: any format, any time, the input wherever it is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import Called, run_command
from labeled_run import LabeledRun, answer, labeled_run

from runner.db.session import Database
from runner.rules.labels.row_status import RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

STATUSES = (RowStatus.OK, RowStatus.UNFINISHED, RowStatus.INVALID, RowStatus.EXCLUDED)


@contextmanager
def labeled(
    migrated_file: Path, folder: Path, statuses: Sequence[RowStatus], **others: Any
) -> Iterator[LabeledRun]:
    """Load a run into a new state folder."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    with closing(Database(f"sqlite:///{shutil.copy(migrated_file, home / 'runner.db')}")) as database:
        yield labeled_run(database, folder / "reviews.csv", statuses, **others)


@pytest.fixture
def run(migrated_file: Path, tmp_path: Path) -> Iterator[LabeledRun]:
    """Load a run of four rows into a state folder."""
    with labeled(migrated_file, tmp_path, STATUSES) as found:
        yield found


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
        "labeled.csv: 4 rows",
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


def test_further_columns_and_a_prefix_cost_nothing(run: LabeledRun) -> None:
    """Of this file alone; the run keeps its own."""
    write(run, "-o", "labeled.csv", "--columns", "model, cost", "--prefix", "x_")
    wide = (run.table.parent / "labeled.csv").read_text().splitlines()
    write(run, "-o", "labeled.csv")

    assert wide[0] == "id,text,x_mood,x_mark,x__status,x__error,x__cost_usd,x__model"
    assert wide[1].startswith("00001,text 1,good,mark-1,ok,,1e-7,")
    assert wide[1].endswith(",grok-4.3")
    first = (run.table.parent / "labeled.csv").read_text().splitlines()[0]
    assert first == "id,text,mood,mark,_status,_error"


def test_columns_that_cannot_be_added_are_refused(run: LabeledRun) -> None:
    """A word that is none, and a name that the table has; nothing is written."""
    refused = write(run, "-o", "labeled.csv", "--columns", "price", code=2)
    assert 'error: "price" is no column that can be added' in refused.stderr
    labeled = run.table.read_bytes().replace(b"text", b"x_mood", 1)
    assert not (run.table.parent / "labeled.csv").exists()
    run.table.write_bytes(labeled)
    with run.database.write() as connection:
        sha256 = hashlib.sha256(labeled).hexdigest()
        connection.exec_driver_sql("UPDATE runs SET input_sha256 = ?", (sha256,))
    refused = write(run, "-o", "labeled.csv", "--prefix", "x_", code=2)
    assert "the table has a column x_mood already" in refused.stderr


def test_labels_that_the_encoding_lacks_make_the_table_utf8(migrated_file: Path, tmp_path: Path) -> None:
    """No label becomes a question mark; the end and the summary say so, and it is the same each time."""
    rows = b"id,text\n00001,caf\xe9\n00002,na\xefve\n00003,x\n"
    bodies = {
        1: answer(json.dumps({"mood": "good", "mark": "café"})),
        2: answer(json.dumps({"mood": "bad", "mark": "→ 名前"})),
    }
    statuses = (RowStatus.OK, RowStatus.OK, RowStatus.INVALID)
    with labeled(migrated_file, tmp_path, statuses, content=rows, bodies=bodies) as run:
        called = write(run, "-o", "labeled.csv")
        content = (tmp_path / "labeled.csv").read_bytes()
        again = write(run, "-o", "labeled.csv", "--json")

    assert content.decode().splitlines()[:3] == [
        "\ufeffid,text,mood,mark,_status,_error",
        "00001,café,good,café,ok,",
        "00002,naïve,bad,→ 名前,ok,",
    ]
    assert called.stdout.splitlines()[-1] == (
        "note: labeled.csv is in UTF-8: 1 cell has characters that cp1252 lacks"
    )
    assert (tmp_path / "labeled.csv").read_bytes() == content
    assert len((tmp_path / "labeled.errors.jsonl").read_bytes().splitlines()) == 1
    results = json.loads(again.stdout)["files"]["results"]
    assert results["bytes"] == len(content)
    assert results["recoded"] == {"encoding": "utf-8", "table_encoding": "cp1252", "cells": 1}


def test_a_write_that_died_before_its_summary_is_carried_on(run: LabeledRun) -> None:
    """Its summary is there as a draft, which says whose the table is; without it the table is kept."""
    folder = run.table.parent
    write(run, "-o", "labeled.csv")
    table, summary = (folder / "labeled.csv").read_bytes(), folder / "labeled.summary.json"
    summary.rename(folder / ".labeled.summary.json.0123abcd.runner-part")

    write(run, "-o", "labeled.csv", "--columns", "cost")
    assert b"_cost_usd" in (folder / "labeled.csv").read_bytes()
    assert not list(folder.glob(".*"))

    (folder / "labeled.csv").write_bytes(table)
    refused = write(run, "-o", "labeled.csv", code=2)
    assert "labeled.csv (changed since this run wrote it)" in refused.stderr
