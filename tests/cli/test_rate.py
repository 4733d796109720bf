"""The rate of a run and its time to go, as the panel shows them: true after a start, a pause and a resume."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest
from cli_calls import run_command
from run_driver import RunDriver, new_run
from snapshots import snapshot_of_run
from sqlalchemy import text

from runner.cli.render.runs.panel import panel
from runner.cli.render.runs.progress import progress_line
from runner.db.runs import run_moves
from runner.db.runs.run_snapshot import Part
from runner.rules.states import PauseReason
from runner.rules.throughput import Throughput

if TYPE_CHECKING:
    from pathlib import Path

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database

JOBS: Final = 100
HOUR_MS: Final = 3_600_000


@pytest.fixture
def driver(database: Database) -> RunDriver:
    """Return a paused run that was first started two days ago; buckets of it are ten minutes wide."""
    driver = new_run(database, JOBS)
    with database.write() as connection:
        run_moves.pause(connection, driver.run_id, PauseReason.USER, "", 0)
        connection.execute(text("DELETE FROM run_events"))
        connection.execute(text(f"UPDATE runs SET started_at_ms = {database.now_ms() - 48 * HOUR_MS}"))
    return driver


def end(driver: RunDriver, n: int, at_ms: int) -> None:
    """Let jobs succeed at a time."""
    counter = (driver.run_id, "state", "succeeded", n)
    driver.in_transaction(lambda _, deltas: deltas.add(*counter, model="grok-4.3", at_ms=at_ms))


def start(driver: RunDriver, at_ms: int) -> None:
    """Start the run at a time."""
    with driver.database.write() as connection:
        assert run_moves.start(connection, driver.run_id, at_ms)


def shown(driver: RunDriver) -> Snapshot:
    """Return what a display gets."""
    return snapshot_of_run(driver.database, driver.run_id, Part.RECENT)


def test_the_rate_is_that_since_the_last_start(driver: RunDriver) -> None:
    """In a run that is two days old, a few seconds after it was resumed; the first look has it."""
    now_ms = driver.database.now_ms()
    end(driver, 50, now_ms - 9_000)
    start(driver, now_ms - 8_000)
    end(driver, 40, now_ms - 1_000)

    snapshot = shown(driver)

    expected = 40_000 / (snapshot.as_of_ms - now_ms + 8_000)
    assert snapshot.throughput.jobs_per_s == pytest.approx(expected)
    assert snapshot.throughput.eta_s is not None
    assert "/s, " in progress_line(snapshot, snapshot.throughput)
    assert panel(snapshot, snapshot.throughput, 0).row_count


def test_status_shows_the_rate_and_the_time_to_go(
    driver: RunDriver, database_url: str, tmp_path: Path
) -> None:
    """Those of a run at work; a run that is paused has neither."""
    env = {"RUNNER_HOME": str(tmp_path)}
    if database_url.startswith("postgresql"):
        env |= {"RUNNER_DATABASE_URL": database_url, "RUNNER_REDIS_URL": "redis://127.0.0.1:9/0"}
    now_ms = driver.database.now_ms()
    start(driver, now_ms - 8_000)
    end(driver, 40, now_ms - 1_000)

    speed = run_command(["status", "1"], tmp_path, env).stdout.splitlines()[2]
    found = json.loads(run_command(["status", "1", "--json"], tmp_path, env).stdout)
    with driver.database.write() as connection:
        run_moves.pause(connection, driver.run_id, PauseReason.USER, "", now_ms)
    paused = run_command(["status", "1"], tmp_path, env).stdout

    assert re.fullmatch(r"  \d\.\d/s, 2d 0h so far, .* to go", speed), speed
    assert 0 < found["eta_s"]["low"] <= found["eta_s"]["high"]
    assert "to go" not in paused


def test_the_rate_is_unknown_while_the_run_is_paused(driver: RunDriver) -> None:
    """Answers still come in, but nothing says when it ends; a resume begins at nothing."""
    now_ms = driver.database.now_ms()
    start(driver, now_ms - 60_000)
    end(driver, 50, now_ms - 30_000)
    assert shown(driver).throughput.jobs_per_s is not None

    with driver.database.write() as connection:
        run_moves.pause(connection, driver.run_id, PauseReason.USER, "", now_ms - 20_000)
    end(driver, 20, now_ms - 10_000)
    assert shown(driver).throughput == Throughput()

    start(driver, driver.database.now_ms())
    assert shown(driver).throughput == Throughput()


def test_a_run_that_was_never_started_has_no_rate(database: Database) -> None:
    """Nor one of which the numbers alone were read."""
    driver = new_run(database, 1)
    with database.write() as connection:
        connection.execute(text("UPDATE runs SET started_at_ms = NULL, state = 'ready'"))
    assert shown(driver).throughput == Throughput()
    assert snapshot_of_run(database, driver.run_id, Part.NUMBERS).throughput == Throughput()
