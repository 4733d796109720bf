"""Removing a run: all its rows, in chunks, and only where no job of it is in flight."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from runner.db import migrate
from runner.db.connection import sqlite_engine
from runner.db.intake import new_jobs, new_rows
from runner.db.intake.frames import StoredFrame
from runner.db.intake.new_rows import NewRow
from runner.db.runs import removal, runs
from runner.db.session import Database
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from pathlib import Path

    from run_driver import RunDriver

TABLES = {
    "runs": "id",
    "run_events": "run_id",
    "run_counters": "run_id",
    "frames": "run_id",
    "jobs": "id >> 32",
    "rows": "id >> 32",
    **dict.fromkeys(("payloads", "attempts", "results"), "job_id >> 32"),
}


def set_state(driver: RunDriver, state: RunState, finished_at_ms: int | None = None) -> None:
    with driver.database.write() as connection:
        connection.execute(
            text("UPDATE runs SET state = :state, finished_at_ms = :at WHERE id = :id"),
            {"state": state, "at": finished_at_ms, "id": driver.run_id},
        )


def add_table(driver: RunDriver, rows: int) -> None:
    """Add a frame, and rows of a table that has more of them than jobs."""
    with driver.database.write() as connection:
        new_jobs.insert_frames(connection, driver.run_id, [StoredFrame(0, b"{", b"}")])
        new_rows.insert(connection, driver.run_id, [NewRow(row) for row in range(1, rows + 1)])


@pytest.mark.parametrize("rows_max", [1, 2, 5, 100])
def test_removing_a_run_leaves_nothing_of_it_and_all_of_the_others(database: Database, rows_max: int) -> None:
    """The rows of every table are deleted, in chunks of any size; those of other runs stay."""
    hands = [new_run(database, 5, identity=word) for word in "abc"]
    for driver in hands:
        driver.bring(JobState.SUCCEEDED)
        driver.bring(JobState.FAILED)
        add_table(driver, rows=9)

    removal.remove(database, hands[1].run_id, rows_max=rows_max)

    for table, key in TABLES.items():
        found = {row[0] for row in hands[0].rows(f"SELECT DISTINCT {key} FROM {table}")}
        assert found == {hands[0].run_id, hands[2].run_id}, table


def test_the_id_of_a_removed_run_is_never_used_again(database: Database) -> None:
    """A late result in an old spool must not reach another run's job."""
    gone = new_run(database, 1, identity="a")
    removal.remove(database, gone.run_id)

    assert new_run(database, 1, identity="b").run_id > gone.run_id


def test_the_rows_to_remove_are_counted(database: Database) -> None:
    """Jobs and stored results."""
    driver = new_run(database, 4)
    driver.bring(JobState.SUCCEEDED)

    with database.read() as connection:
        assert removal.count_contents(connection, driver.run_id) == removal.RunContents(jobs=4, answers=1)


@pytest.mark.parametrize(
    ("state", "finished_at_ms", "may"),
    [
        (RunState.LOADING, None, True),
        (RunState.READY, None, True),
        (RunState.RUNNING, None, False),
        (RunState.WAITING, None, False),
        (RunState.PAUSED, None, True),
        (RunState.FINISHED, 1, True),
        (RunState.CANCELLED, None, False),
        (RunState.CANCELLED, 1, True),
        (RunState.REMOVING, None, True),
    ],
)
def test_only_a_run_at_rest_is_removed(
    database: Database, state: RunState, finished_at_ms: int | None, may: bool
) -> None:
    """From then on it is not found by its name, and its file can be loaded again."""
    driver = new_run(database, 2)
    set_state(driver, state, finished_at_ms)
    with database.write() as connection:
        name = runs.all_runs(connection)[0].name
        assert removal.is_removable(connection, driver.run_id) is may
        assert removal.begin(connection, driver.run_id, state) is may
        found = runs.find(connection, driver.run_id)
        assert found is not None
        assert (found.state is RunState.REMOVING) is may
        assert (runs.find_by_name(connection, name) is None) is may
        assert (runs.find_by_identity(connection, "identity") is None) is may


@pytest.mark.parametrize(
    "state", [JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED]
)
def test_a_paused_run_with_jobs_in_flight_is_not_removed(database: Database, state: JobState) -> None:
    """Their results are paid for."""
    driver = new_run(database, 2)
    driver.bring(state)
    set_state(driver, RunState.PAUSED)

    with database.write() as connection:
        assert not removal.begin(connection, driver.run_id, RunState.PAUSED)


def test_a_run_that_changed_meanwhile_is_not_removed(database: Database) -> None:
    """It was partly loaded when it was read, and is complete now."""
    driver = new_run(database, 2)
    set_state(driver, RunState.READY)

    with database.write() as connection:
        assert not removal.begin(connection, driver.run_id, RunState.LOADING)


def test_compacting_a_locked_file_raises_an_error_of_sqlalchemy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It uses the driver directly; its errors are those of any other statement."""
    monkeypatch.setattr(sqlite_engine, "SQLITE_BUSY_MS", 20)
    file = tmp_path / "runner.db"
    with closing(Database(f"sqlite:///{file}")) as database:
        migrate.upgrade(database, None)
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OperationalError, match="locked"):
                database.compact()
