"""What a command shows of a run at one moment comes from one transaction."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from run_driver import RunDriver, new_run
from sqlalchemy import Engine, event
from test_following import Recorder

from runner.cli.commands.watch import JsonDisplay
from runner.cli.main import call
from runner.cli.session.following.follow import Follower
from runner.cli.session.following.run_state import read_snapshot
from runner.cli.session.following.stop_signal import StopSignal
from runner.db.runs import run_moves
from runner.db.runs.run_row import RunOptions
from runner.db.runs.run_snapshot import Part
from runner.embedded import on_end
from runner.rules.states import JobState, PauseReason
from runner.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database


@contextmanager
def transactions() -> Iterator[list[list[str]]]:
    """Return the statements of each transaction in the block; those that check the schema are left out."""
    found: list[list[str]] = []

    def begin(_connection: Connection) -> None:
        found.append([])

    def execute(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if found and not statement.startswith("BEGIN"):
            found[-1].append(statement)

    event.listen(Engine, "begin", begin)
    event.listen(Engine, "before_cursor_execute", execute)
    try:
        yield found
    finally:
        event.remove(Engine, "begin", begin)
        event.remove(Engine, "before_cursor_execute", execute)
        found[:] = [each for each in found if not all("alembic_version" in statement for statement in each)]


@pytest.fixture
def driver(database: Database) -> RunDriver:
    """Return a run with a job in each kind of state, so that every part has something to read."""
    made = new_run(database, 6)
    for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.HELD, JobState.WAITING):
        made.bring(state)
    return made


@pytest.fixture
def home(driver: RunDriver, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the variables that lead to the database: of a state folder, or of shared servers."""
    assert driver.database.url
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path))
    if database_url.startswith("postgresql"):
        monkeypatch.setenv("RUNNER_DATABASE_URL", database_url)
        monkeypatch.setenv("RUNNER_REDIS_URL", "redis://127.0.0.1:9/0")
    return tmp_path


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "1"],
        ["status", "--json"],
        ["list"],
        ["list", "--json"],
        ["summary", "1", "--json"],
    ],
    ids=" ".join,
)
def test_a_command_that_looks_reads_once(words: list[str]) -> None:
    """The run is found in the same transaction."""
    with transactions() as found:
        assert call(words) == 0

    assert len(found) == 1, found


def paused(driver: RunDriver) -> RunDriver:
    """Return another run: one that is paused and has stopped, with an --on-end command."""
    stopped = new_run(driver.database, 3, RunOptions(on_end="true"), identity="paused")
    stopped.bring(JobState.FAILED)
    with driver.database.write() as connection:
        run_moves.pause(connection, stopped.run_id, PauseReason.USER, "because", 1)
    return stopped


def followed(driver: RunDriver, home: Path, display: Recorder | JsonDisplay) -> list[list[str]]:
    """Follow a run for two looks or until it has stopped; return the transactions."""
    settings, looks = load({"RUNNER_HOME": str(home)}, home), list[Part]()

    def read(parts: Part) -> Snapshot:
        looks.append(parts)
        if len(looks) == 2:
            signal.raise_signal(signal.SIGINT)
        return read_snapshot(settings, driver.database, driver.run_id, parts)

    with StopSignal() as stop, transactions() as found:
        Follower(read=read, display=display, stop=stop).follow()
    return found


def test_each_look_of_a_follower_reads_once(
    driver: RunDriver, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one with events, the oldest answer and what an object needs; the next ones without."""
    monkeypatch.setattr("runner.cli.session.following.follow._SLOW_EACH_S", 3_600.0)
    show = Recorder()
    found = followed(driver, tmp_path, show)
    assert len(found) == len(show.done) == 2
    assert len(found[0]) > len(found[1])

    found = followed(driver, tmp_path, JsonDisplay(3_600.0))
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert len(found[0]) > len(found[1])


def test_the_end_of_a_run_is_read_once_more_for_all_that_is_printed(
    driver: RunDriver, tmp_path: Path
) -> None:
    """The look that finds it stopped, and one with every part."""
    stopped = paused(driver)
    show = Recorder()

    found = followed(stopped, tmp_path, show)

    assert len(show.done) == 1
    assert len(found) == 2


def test_on_end_claims_and_reads_in_one_transaction(driver: RunDriver) -> None:
    """What its command is given is what was true when it was claimed."""
    stopped = paused(driver)
    with transactions() as found, Path("/dev/null").open("wb") as nowhere:
        assert on_end.call(stopped.database, stopped.run_id, to=nowhere) is None

    assert len(found) == 1, found
