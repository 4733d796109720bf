"""A database of the first schema, with a run that was killed half-way, is upgraded and finished.

`first_schema.sql` and `spool/` were left after kill -9 of all processes in a run of 40 jobs: 9 had results,
14 were waiting, 17 were being submitted; some request_ids are only in the spool. The files are never changed.
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
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator

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
    """Create the SQLite file as it was, with all times moved back by DAY_MS."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript((HERE / "first_schema.sql").read_text())
        for change in OLD:
            connection.execute(change)


def finish(home: LiveRunner, simulator: Simulator) -> None:
    """Resume the run; expired jobs are offered with their price; retry them; check the output."""
    shutil.copy(HERE / "jobs.jsonl", home.folder / "jobs.jsonl")
    command = home.start(*RUN, "--budget", "5.00", "--force")
    assert command.wait() == 1, command.output
    assert home.count("SELECT COUNT(*) FROM runs") == 1
    states = dict(home.query("SELECT state, COUNT(*) FROM jobs GROUP BY state"))
    expired = home.count("SELECT COUNT(*) FROM jobs WHERE state = 'held' AND error_code = 'expired'")
    assert states == {"succeeded": JOBS - expired, "held": expired}
    assert expired >= 14
    assert f"{expired} expired, about $" in command.output
    assert "runner retry 1 --lost" in command.output
    again = home.start("retry", "1", "--lost", "--yes")
    assert again.wait() == 0, again.output
    last = home.start(*RUN, "--budget", "5.00")
    assert last.wait() == 0, last.output
    lines = [json.loads(line) for line in (home.folder / "out.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == [f"j-{n:04d}" for n in range(JOBS)]
    assert simulator.books()["accepted"] == JOBS - DONE


def test_of_a_state_folder(tmp_path: Path) -> None:
    """The same command upgrades the database and resumes the run."""
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.2") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        old_database(home.database)
        shutil.copytree(HERE / "spool", home.path / "spool")
        finish(home, simulator)


def test_of_shared_servers(
    fleet: Callable[..., Fleet], postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """`db upgrade` brings a shared database to the current schema."""
    made = fleet("--median-s", "0.2")
    host = made.host("a")
    old_database(tmp_path / "old" / "runner.db")
    with postgres_server.fresh("template1") as url:
        host.database_url = url
        host.env["RUNNER_DATABASE_URL"] = url
        at_first_schema(url)
        copy_rows(tmp_path / "old" / "runner.db", url)
        assert host.start("db", "upgrade").wait() == 0
        host.worker("--beat")
        finish(host, made.simulator)
        host.kill()


def at_first_schema(url: str) -> None:
    """Create the tables of the first migration."""
    database = Database(url)
    config = migrate._config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        alembic.upgrade(config, "0001")
    database.close()


def copy_rows(path: Path, url: str) -> None:
    """Copy all rows, and set the sequences to higher ids."""
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
            placeholders = ", ".join(["%s"] * len(names))
            statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({placeholders})"
            with target.cursor() as writing:
                writing.executemany(statement.encode(), cursor.fetchall())
        for table in ("runs", "run_events", "workers"):
            following = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 100)"
            target.execute(following.encode())


@pytest.mark.parametrize("name", ["first_schema.sql", "jobs.jsonl"])
def test_the_past_is_not_rewritten(name: str) -> None:
    """The stored files are still those of the first schema."""
    text = (HERE / name).read_text()
    assert "'0001'" in text or name == "jobs.jsonl"
    assert len(text.splitlines()) >= JOBS
