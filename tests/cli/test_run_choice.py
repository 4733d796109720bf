"""Which run `--occasion` means: the date in the machine's time zone, and nights that go over midnight."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import text

from runner.cli.session.running.run_choice import RunChoice, choose_run
from runner.db.runs.run_row import RunOptions
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.intake.load import WantedRun, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.db.session import Database

HOUR_MS: Final = 3_600_000
STARTED_MS: Final = int(datetime(2026, 11, 28, 14, 50, tzinfo=UTC).timestamp() * 1000)  # in Tokyo 23:50


@pytest.fixture(autouse=True)
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the machine into a time zone far from UTC."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a job file."""
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "model": "grok-4.3", "prompt": "x"}\n')
    return path


def chosen(
    database: Database,
    source: Path,
    hours: float,
    word: str = "today",
    *,
    name: str | None = None,
    new: bool = False,
) -> RunChoice:
    """Return the choice so many hours after STARTED_MS."""
    now_ms = STARTED_MS + int(hours * HOUR_MS)
    return choose_run(database, source, word, now_ms=now_ms, name=name, new=new, quiet=False)


def begun(
    database: Database, source: Path, occasion: str, state: str = "running", hours: float = 0, **more: Any
) -> int:
    """Load a run of an occasion as if at so many hours after STARTED_MS, and give it a state."""
    wanted = WantedRun(**{"options": RunOptions(), "occasion": occasion, **more})
    run = load(database, JobFile(source, LoadFlags()), wanted).run_id
    with database.write() as connection:
        connection.execute(
            text("UPDATE runs SET state = :state, created_at_ms = :at WHERE id = :id"),
            {"id": run, "state": state, "at": STARTED_MS + int(hours * HOUR_MS)},
        )
    return run


def test_today_is_the_local_date(database: Database, source: Path) -> None:
    """Ten minutes before and after midnight in Tokyo; in UTC both are on one day."""
    before, after = chosen(database, source, 0), chosen(database, source, 0.4)
    assert (before.occasion, before.run_name) == ("2026-11-28", "q@2026-11-28")
    assert (after.occasion, after.run_name) == ("2026-11-29", "q@2026-11-29")
    assert chosen(database, source, 0, "v1.2").run_name == "q@v1.2"
    assert chosen(database, source, 0, name="nightly").run_name == "nightly@2026-11-28"


@pytest.mark.parametrize("state", ["loading", "ready", "running", "waiting", "paused"])
def test_an_unfinished_night_is_carried_on_over_midnight(
    database: Database, source: Path, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to 20 hours after it was loaded, and told in one line."""
    begun(database, source, "2026-11-28", state)
    for hours in (0.4, 19.9):
        assert chosen(database, source, hours).run_name == "q@2026-11-28"
        assert capsys.readouterr().err == "q@2026-11-28 has not ended yet: carrying it on\n"
    assert chosen(database, source, 20.1).run_name == "q@2026-11-29"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("state", ["finished", "cancelled", "removing"])
def test_an_ended_night_is_not(database: Database, source: Path, state: str) -> None:
    """Within its own date the command means it again, unless it is being removed."""
    begun(database, source, "2026-11-28", state)
    assert chosen(database, source, 0.4).run_name == "q@2026-11-29"
    assert chosen(database, source, 0.1).run_name == "q@2026-11-28"


def test_a_night_that_has_begun_goes_before_an_older_one(database: Database, source: Path) -> None:
    """Both are unfinished: the date decides."""
    begun(database, source, "2026-11-28")
    begun(database, source, "2026-11-29", hours=0.3)
    assert chosen(database, source, 0.4).run_name == "q@2026-11-29"


def test_a_machine_in_another_zone_means_the_same_night(database: Database, source: Path) -> None:
    """It was begun under tomorrow's date where the day is further on: carried on, not paid twice."""
    begun(database, source, "2026-11-29")
    assert chosen(database, source, 0.1).run_name == "q@2026-11-29"


def test_only_today_goes_over_midnight(database: Database, source: Path) -> None:
    """A word that was typed means what it says; an older date or another word is never taken for today."""
    for word in ("2026-11-28", "2026-11-20", "v1"):
        begun(database, source, word)
    assert chosen(database, source, 0.4, "2026-11-29").run_name == "q@2026-11-29"
    with database.write() as connection:
        connection.execute(text("UPDATE runs SET state = 'finished' WHERE occasion = '2026-11-28'"))
    assert chosen(database, source, 0.4).run_name == "q@2026-11-29"


def test_a_fresh_run_is_one_of_the_new_day(database: Database, source: Path) -> None:
    """--new never carries on; within a day it has the next number."""
    begun(database, source, "2026-11-28")
    assert chosen(database, source, 0.4, new=True).run_name == "q@2026-11-29"
    assert chosen(database, source, 0.1, new=True).run_name == "q@2026-11-28.2"


def test_the_newest_run_of_the_night_is_carried_on(database: Database, source: Path) -> None:
    """By its number; the one of another file or name is not meant."""
    begun(database, source, "2026-11-28", "finished")
    begun(database, source, "2026-11-28", new=True)
    begun(database, source, "2026-11-28", name="other")
    assert chosen(database, source, 0.4).run_name == "q@2026-11-28.2"
    assert chosen(database, source, 0.4, name="q").run_name == "q@2026-11-28.2"
    assert chosen(database, source, 0.4, name="third").run_name == "third@2026-11-29"
