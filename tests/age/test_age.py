"""A database of the first schema, with a run that was killed half-way, is upgraded and finished.

`first_schema.sql` and `spool/` are what kill -9 of everything left of 40 jobs: 9 answered, 14 waiting, 17 on
their way, of which some ids are only in the spool. They stay as they are, whatever the schema becomes.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command as alembic
from live import NO_LIMITS, RUN, Home, Simulator

from runner.db import migrate
from runner.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import PostgresServer
    from hosts import Fleet

HERE = Path(__file__).parent
JOBS, DONE = 40, 9
DAY_MS = 90_000_000
OLD = (
    f"UPDATE jobs SET accepted_at_ms = accepted_at_ms - {DAY_MS} WHERE accepted_at_ms IS NOT NULL",
    *(
        f"UPDATE attempts SET {moment}_at_ms = {moment}_at_ms - {DAY_MS} WHERE {moment}_at_ms IS NOT NULL"
        for moment in ("marked", "sent", "accepted")
    ),
)


def old_database(path: Path) -> None:
    """Make the SQLite file as it was, a day older."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(path)) as base, base:
        base.executescript((HERE / "first_schema.sql").read_text())
        for change in OLD:
            base.execute(change)


def finish(home: Home, simulator: Simulator) -> None:
    """Go on; what expired meanwhile is offered, with its price; buy it again; look at the files."""
    shutil.copy(HERE / "jobs.jsonl", home.folder / "jobs.jsonl")
    command = home.start(*RUN, "--budget", "5.00", "--force")
    assert command.ended(90) == 1, command.said
    assert home.count("SELECT COUNT(*) FROM runs") == 1
    states = dict(home.query("SELECT state, COUNT(*) FROM jobs GROUP BY state"))
    expired = home.count("SELECT COUNT(*) FROM jobs WHERE state = 'held' AND error_code = 'expired'")
    assert states == {"succeeded": JOBS - expired, "held": expired}
    assert expired >= 14
    assert f"{expired} expired, about $" in command.said
    assert "runner retry 1 --lost" in command.said
    again = home.start("retry", "1", "--lost", "--yes")
    assert again.ended() == 0, again.said
    last = home.start(*RUN, "--budget", "5.00")
    assert last.ended(90) == 0, last.said
    lines = [json.loads(line) for line in (home.folder / "out.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == [f"j-{n:04d}" for n in range(JOBS)]
    assert simulator.books()["accepted"] == JOBS - DONE


def test_of_a_state_folder(tmp_path: Path) -> None:
    """The same command goes on; the upgrade keeps a copy where there was anything to upgrade."""
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.2") as simulator,
        Home(tmp_path, simulator) as home,
    ):
        old_database(home.database)
        shutil.copytree(HERE / "spool", home.path / "spool")
        finish(home, simulator)


def test_of_shared_servers(
    fleet: Callable[..., Fleet], postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """`db upgrade` brings it to today's schema."""
    its = fleet("--median-s", "0.2")
    host = its.host("a")
    old_database(tmp_path / "old" / "runner.db")
    with postgres_server.fresh("template1") as url:
        host.database_url = url
        host.env["RUNNER_DATABASE_URL"] = url
        at_first_schema(url)
        copy_rows(tmp_path / "old" / "runner.db", url)
        assert host.start("db", "upgrade").ended() == 0
        host.worker("--beat")
        finish(host, its.simulator)
        host.kill()


def at_first_schema(url: str) -> None:
    """Make the tables as the first migration makes them."""
    database = Database(url)
    config = migrate._config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        alembic.upgrade(config, "0001")
    database.close()


def copy_rows(path: Path, url: str) -> None:
    """Copy all rows, and let the next ids be those after them."""
    with (
        closing(sqlite3.connect(path)) as source,
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as target,
    ):
        for table in (
            "runs",
            "run_events",
            "run_counters",
            "jobs",
            "payloads",
            "attempts",
            "results",
            "workers",
        ):
            cursor = source.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            marks = ", ".join(["%s"] * len(names))
            statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
            with target.cursor() as writing:
                writing.executemany(statement.encode(), cursor.fetchall())
        for table in ("runs", "run_events", "workers"):
            following = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"
            target.execute(following.encode())


@pytest.mark.parametrize("name", ["first_schema.sql", "jobs.jsonl"])
def test_the_past_is_not_rewritten(name: str) -> None:
    """The kept files are those of the first schema."""
    text = (HERE / name).read_text()
    assert "'0001'" in text or name == "jobs.jsonl"
    assert len(text.splitlines()) >= JOBS
