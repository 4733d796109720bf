"""The table of `runner list`: every line within 80 columns, and each night can be told from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from night_driver import NightDriver
from run_driver import new_run
from sqlalchemy import text

from runner.cli.render.nights.night_listed import night_status
from runner.cli.render.runs.run_list import list_object, run_table
from runner.cli.render.text import listed_time
from runner.cli.snapshot import Snapshot
from runner.db.evaluation import measurements, night_runs
from runner.db.runs import run_snapshot

if TYPE_CHECKING:
    from runner.db.session import Database

DAY_MS = 86_400_000
NOW_MS = 1_795_867_200_000  # 2026-11-28 12:00 UTC


def table(database: Database, *names: tuple[str, str | None]) -> list[str]:
    """Return the table of runs with these names and occasions; the first one is paused."""
    for name, occasion in names:
        run = new_run(database, 1).run_id
        with database.write() as connection:
            connection.execute(
                text(
                    "UPDATE runs SET name = :name, occasion = :occasion, state = :state, total = 200,"
                    " pause_reason = :why, started_at_ms = :at WHERE id = :id"
                ),
                {
                    "name": name,
                    "occasion": occasion,
                    "id": run,
                    "state": "paused" if run == 1 else "finished",
                    "why": "failures" if run == 1 else None,
                    "at": NOW_MS - 7 * DAY_MS,
                },
            )
    with database.read() as connection:
        found = run_snapshot.read_all(connection, NOW_MS)
    return run_table([Snapshot(stored=stored, is_engine_alive=True) for stored in found], {})


def test_nights_fit_into_80_columns(database: Database) -> None:
    """Long stems are cut, their occasions are not."""
    stem = "a-long-name-of-nightly-questions"
    lines = table(database, *((f"{stem}@2026-11-{day}", f"2026-11-{day}") for day in (26, 27, 28)))
    assert max(map(len, lines)) <= 80
    assert [line.split()[1].partition("…")[2] for line in lines[1:]] == [
        f"@2026-11-{day}" for day in (28, 27, 26)
    ]


def test_a_short_name_is_whole(database: Database) -> None:
    """As it is typed for the other commands."""
    lines = table(database, ("q@2026-11-28", "2026-11-28"), ("plain", None))
    assert [line.split()[1] for line in lines] == ["name", "plain", "q@2026-11-28"]


@pytest.mark.parametrize(
    ("days", "shown"), [(0, "Nov 28 "), (181, "May 31 "), (183, "May 29  2026"), (None, "-")]
)
def test_an_old_run_shows_its_year(days: int | None, shown: str) -> None:
    """As `ls -l` does, always in 12 characters."""
    at_ms = None if days is None else NOW_MS - days * DAY_MS
    found = listed_time(at_ms, NOW_MS)
    assert found.startswith(shown)
    assert len(found) in (1, 12)


def listed(database: Database) -> list[str]:
    """Return the table of all runs, with their nights."""
    with database.read() as connection:
        found = run_snapshot.read_all(connection, NOW_MS)
        nights = night_runs.read(connection)
    return run_table([Snapshot(stored=stored, is_engine_alive=True) for stored in found], nights)


def set_state(database: Database, run: int, state: str, pause_reason: str | None = None) -> None:
    with database.write() as connection:
        connection.execute(
            text("UPDATE runs SET state = :state, pause_reason = :why WHERE id = :id"),
            {"id": run, "state": state, "why": pause_reason},
        )


def test_a_night_is_one_line_with_what_it_does(database: Database) -> None:
    """Its numbers are those of both runs; a run that has stopped shows, and at last the verdict."""
    driver = NightDriver(database)
    first, other, second = (new_run(database, jobs).run_id for jobs in (2, 1, 3))
    night = driver.begin("2026-11-28")
    driver.write(measurements.add_measurement, night.id, 1, first)
    states = []
    for state, why in (("ready", None), ("paused", "budget"), ("finished", None)):
        set_state(database, first, state, why)
        states.append(listed(database)[-1])
    driver.write(measurements.add_measurement, night.id, 2, second)
    set_state(database, second, "ready")
    lines = listed(database)
    driver.end(night, "no_verdict", is_accepted=False)

    assert ["answering" in states[0], "paused (budget)" in states[1], "not graded" in states[2]] == [True] * 3
    assert [line.split()[0] for line in lines[1:]] == [str(second), str(other)]
    assert lines[1].split()[1].endswith("@2026-11-28")
    assert "measuring again" in lines[1]
    assert " 0 5 0 $0.0000 " in " ".join(lines[1].split())
    assert "no verdict" in listed(database)[1]
    assert max(map(len, lines)) <= 80


def test_programs_see_the_runs_of_a_night(database: Database) -> None:
    """Each with its id; a run that measures none has null."""
    driver = NightDriver(database)
    ids = [new_run(database, 1).run_id for _ in range(3)]
    night = driver.begin("n1")
    for number, run in enumerate(ids[:2], 1):
        driver.write(measurements.add_measurement, night.id, number, run)
    with database.read() as connection:
        found = run_snapshot.read_all(connection, NOW_MS)
        nights = night_runs.read(connection)
    snapshots = [Snapshot(stored=stored, is_engine_alive=True) for stored in found]

    runs = list_object(snapshots, NOW_MS, nights).runs

    assert {run.run: run.night for run in runs} == {ids[0]: night.name, ids[1]: night.name, ids[2]: None}
    said = night_status(snapshots[1:], nights[ids[1]])
    assert said.startswith(f"night {night.name}: measuring again; 0 of 2 jobs done, $0")
