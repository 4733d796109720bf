"""The table of `runner list`: every line within 80 columns, and each night can be told from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import new_run
from sqlalchemy import text

from runner.cli.render.run_list import run_table
from runner.cli.render.text import listed_time
from runner.cli.snapshot import Snapshot
from runner.db import run_snapshot

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
    return run_table([Snapshot(stored=stored, is_engine_alive=True) for stored in found])


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
