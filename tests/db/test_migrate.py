"""The migrations create exactly the tables of tables.py, on SQLite and PostgreSQL, and lose no data."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from schema_facts import differences
from sqlalchemy import text

from runner.db import migrate
from runner.db.answers import results
from runner.db.runs import runs
from runner.db.session import Database
from runner.db.workers import leases
from runner.embedded import engine_record, upgrade
from runner.embedded.state_folder import StateFolder
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = migrate.HEAD  # before a test changes it


def downgrade(database: Database, to: str = "base") -> None:
    config = migrate._config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, to)


def test_head_is_that_of_alembic() -> None:
    """The constant that saves the import of Alembic is the newest revision, and there is one head."""
    assert ScriptDirectory.from_config(migrate._config()).get_heads() == [migrate.HEAD]


def test_the_migrations_make_exactly_the_tables(empty_database: Database) -> None:
    """Columns, types, keys, named constraints and partial indexes are those of tables.py."""
    assert migrate.upgrade(empty_database, None)

    assert differences(empty_database) == []
    assert migrate.revision(empty_database) == migrate.HEAD
    assert not migrate.upgrade(empty_database, None)


def test_up_down_and_up_again_ends_the_same(empty_database: Database) -> None:
    """A downgrade leaves nothing behind."""
    migrate.upgrade(empty_database, None)
    downgrade(empty_database)
    assert migrate.revision(empty_database) is None
    assert all(word.startswith("not in the database") for word in differences(empty_database))

    migrate.upgrade(empty_database, None)

    assert differences(empty_database) == []


def test_nights_are_not_dropped_by_a_downgrade(empty_database: Database) -> None:
    """It is refused and changes nothing; without nights it goes on."""
    migrate.upgrade(empty_database, None)
    with empty_database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO eval_nights (id, suite_id, occasion, repetition, name, state, created_at_ms,"
            " is_valid, is_accepted, variants, options, content, spec)"
            " VALUES (1, 1, 'n1', 0, 'sums@n1', 'ended', 0, 1, 1, '[]', '', '', '')"
        )

    with pytest.raises(CommandError, match="nights of evaluations in the database: 1;"):
        downgrade(empty_database, "0006")

    assert migrate.revision(empty_database) == migrate.HEAD
    assert differences(empty_database) == []
    with empty_database.write() as connection:
        assert connection.exec_driver_sql("DELETE FROM eval_nights").rowcount == 1
    downgrade(empty_database, "0006")
    assert migrate.revision(empty_database) == "0006"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("ALTER TABLE jobs ADD COLUMN colour TEXT", "not in tables.py: jobs.colour"),
        ("DROP INDEX ix_jobs_pending", "not in the database: jobs: ix_jobs_pending"),
    ],
)
def test_drift_is_reported(empty_database: Database, change: str, expected: str) -> None:
    """Each difference of a schema that was changed by hand is one line."""
    migrate.upgrade(empty_database, None)
    with empty_database.write() as connection:
        connection.exec_driver_sql(change)

    assert any(line.startswith(expected) for line in differences(empty_database))


def test_a_changed_condition_is_drift_too(tmp_path: Path) -> None:
    """An index of the same name with another condition is a difference."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, None)
    with database.write() as connection:
        connection.exec_driver_sql("DROP INDEX ix_jobs_pending")
        connection.exec_driver_sql("CREATE INDEX ix_jobs_pending ON jobs (run_id, id) WHERE state = 'held'")

    assert len(differences(database)) == 2
    database.close()


def test_a_newer_database_is_refused(empty_database: Database) -> None:
    """An older program does not touch a newer schema."""
    migrate.upgrade(empty_database, None)
    with empty_database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(UsageError, match="newer runner"):
        migrate.upgrade(empty_database, None)


def test_an_older_file_is_copied_first_and_two_copies_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data from before a migration can be restored; old copies are removed."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, tmp_path)
    assert not list(tmp_path.glob("*.before-*")), "a new file needs no copy"
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO workers (host, node, pid, started_at_ms, seen_at_ms) VALUES ('a', 'b', 1, 1, 1)"
        )
    head = migrate.HEAD
    monkeypatch.setattr(migrate, "HEAD", "9999")
    for number, name in enumerate(("before-a", "before-b")):
        old = tmp_path / f"runner.db.{name}"
        old.write_bytes(b"")
        os.utime(old, (number, number))

    migrate.upgrade(database, tmp_path)
    database.close()

    assert {path.name for path in tmp_path.glob("*.before-*")} == {
        "runner.db.before-b",
        f"runner.db.before-{head}",
    }
    copy = tmp_path / f"runner.db.before-{head}"
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT host FROM workers").fetchall() == [("a",)]


def test_copies_that_a_kill_left_half_made_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be as large as the database; one that another process still writes stays."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, tmp_path)
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    parts = [f".runner.db.before-0011.{pid}" for pid in (killed.pid, os.getpid(), os.getppid())]
    for part in parts:
        (tmp_path / part).write_bytes(b"")
        (tmp_path / f"{part}-journal").write_bytes(b"")
    monkeypatch.setattr(migrate, "HEAD", "9999")

    migrate.upgrade(database, tmp_path)
    database.close()

    assert {path.name for path in tmp_path.glob(".runner.db*")} == {parts[2], f"{parts[2]}-journal"}


def test_without_a_copy_nothing_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the copy fails, no migration runs."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, tmp_path)
    monkeypatch.setattr(migrate, "HEAD", "9999")

    with pytest.raises(UsageError, match="no copy"):
        migrate.upgrade(database, tmp_path / "missing")
    database.close()


def test_a_database_at_head_costs_no_alembic(tmp_path: Path) -> None:
    """Every command checks the schema; only an upgrade imports Alembic."""
    path = f"sqlite:///{tmp_path / 'runner.db'}"
    database = Database(path)
    migrate.upgrade(database, tmp_path)
    database.close()
    code = (
        "import sys; from runner.db import migrate; from runner.db.session import Database;"
        f"assert not migrate.upgrade(Database('{path}'), None); assert 'alembic' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_processes_may_upgrade_at_once(empty_database: Database) -> None:
    """A lock in the database lets one of them do it; the others find it done."""
    url = empty_database.url.render_as_string(hide_password=False)
    code = (
        "from runner.db import migrate; from runner.db.session import Database;"
        f"migrate.upgrade(Database({url!r}), None)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    assert differences(empty_database) == []


class SleptClock:
    """Stands in for the module `time`: only sleeping takes time."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_an_embedded_database_is_not_changed_under_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine of another version keeps the schema that it began with; without an engine it is upgraded.

    An engine that has just started is waited for: it is perhaps of this version, and upgrades by itself.
    """
    clock = SleptClock()
    monkeypatch.setattr(upgrade, "time", clock)
    monkeypatch.setattr(upgrade, "_WAIT_S", 1.0)
    home = StateFolder(tmp_path)
    home.prepare()
    database = Database(f"sqlite:///{home.path / 'runner.db'}")
    engine = home.engine_lock()
    engine.acquire_exclusive()

    with pytest.raises(UsageError, match="another version"):
        upgrade.upgrade_if_needed(home, database)
    assert clock.now_s > 1.0
    engine.release()
    upgrade.upgrade_if_needed(home, database)

    assert migrate.revision(database) == migrate.HEAD
    database.close()


@pytest.mark.parametrize(
    ("version", "named"),
    [("0.0.9", "version 0.0.9 is at work"), ("", "an older version is at work")],
)
def test_an_older_engine_at_work_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, named: str
) -> None:
    """Without a wait: it is ready, so it will not upgrade the database any more."""
    refused = refused_at_once(tmp_path, monkeypatch, schema="0008", version=version)

    assert named in str(refused)
    assert f"(process {os.getpid()})" in str(refused)
    assert f"`kill {os.getpid()}`" in refused.fix


def test_a_newer_engine_at_work_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its database is of a newer version, whatever the engine does."""
    refused = refused_at_once(tmp_path, monkeypatch, schema="9999", version="9.0")

    assert "made by a newer runner" in str(refused)


def refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, schema: str, version: str
) -> UsageError:
    """Return how the upgrade of a database is refused, without a wait, beside an engine that is ready."""
    clock = SleptClock()
    monkeypatch.setattr(upgrade, "time", clock)
    home = StateFolder(tmp_path)
    home.prepare()
    database = Database(f"sqlite:///{home.path / 'runner.db'}")
    migrate.upgrade(database, None)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :schema"), {"schema": schema})
    engine = home.engine_lock()
    engine.acquire_exclusive()
    engine_record.write(home.engine_json, engine_of_version(version))

    with pytest.raises(UsageError) as refused:
        upgrade.upgrade_if_needed(home, database)
    database.close()
    engine.release()
    assert clock.now_s == 0
    return refused.value


def engine_of_version(version: str) -> engine_record.EngineRecord:
    """Return the record of an engine that is ready, with the pid of this process."""
    return engine_record.EngineRecord(
        pid=os.getpid(), started_at=0.0, socket="", valkey=0, workers=(), key_fingerprint=None, base_url="",
        token="", version=version,
    )  # fmt: skip


OLD_ATTEMPTS = (  # job, outcome, ticks, possible_ticks
    ((1 << 32) | 0, "succeeded", 100, None),
    ((1 << 32) | 1, "succeeded", 300, None),
    ((1 << 32) | 2, "lost", None, 9_000),
    ((1 << 32) | 3, "ambiguous", None, 150),
    ((1 << 32) | 4, "refused", None, 500),
    ((1 << 32) | 5, "not_sent", None, 0),
    ((2 << 32) | 0, "lost", None, 700),
)


def test_old_attempts_get_a_probable_cost(empty_database: Database) -> None:
    """The mean of their run's answers, at most what was possible; without an answer all of that."""
    config = migrate._config()
    with empty_database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for job, outcome, ticks, possible in OLD_ATTEMPTS:
            connection.exec_driver_sql(
                "INSERT INTO attempts (job_id, attempt, lane, worker, outcome, marked_at_ms, polls, model,"
                f" ticks, ticks_source, possible_ticks) VALUES ({job}, 1, 'deferred', 1, '{outcome}', 1, 0,"
                f" {repr('grok-4.3') if ticks else 'NULL'}, {ticks or 'NULL'},"
                f" {repr('reported') if ticks else 'NULL'}, {'NULL' if possible is None else possible})"
            )
        for key, n in (
            ("ticks', 'reported", 400),
            ("attempts', 'collected", 2),
            ("ticks', 'possible_extra", 9),
        ):
            connection.exec_driver_sql(f"INSERT INTO run_counters VALUES (1, '{key}', 3, {n})")
    migrate.run_migrations(empty_database)

    with empty_database.read() as connection:
        rows = (
            connection.exec_driver_sql("SELECT probable_ticks FROM attempts ORDER BY job_id").scalars().all()
        )
        counted = connection.exec_driver_sql(
            "SELECT run_id, kind, key, n FROM run_counters WHERE shard = 0 ORDER BY run_id, kind, key"
        ).all()
    assert list(rows) == [None, None, 200, 150, 0, 0, 700]
    assert [tuple(row) for row in counted] == [
        (1, "dearest", "grok-4.3", 300),
        (1, "ticks", "probable_extra", 350),
        (1, "unread", "answers", 2),
        (1, "unread", "refused_prompts", 1),
        (2, "ticks", "probable_extra", 700),
        (2, "unread", "answers", 1),
    ]


OLD_JOBS = (  # ordinal, state, attempt, request_id
    (0, "succeeded", 1, "'id-0'"),
    (1, "waiting", 1, "'id-1'"),
    (2, "pending", 0, "NULL"),
)


def test_a_half_finished_run_goes_on_after_the_upgrade(empty_database: Database) -> None:
    """Its jobs have no frame and were never asked again; its bodies are those that were loaded."""
    config = migrate._config()
    braces = "X'7B7D'" if empty_database.is_sqlite else "'\\x7b7d'"
    with empty_database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.exec_driver_sql(
            "INSERT INTO runs (id, identity, repetition, name, state, input_path, input_sha256, options,"
            " total, created_at_ms) VALUES (1, 'a', 0, 'a', 'running', '/a.jsonl', '0', '{}', 3, 1)"
        )
        for ordinal, state, attempt, request_id in OLD_JOBS:
            job, finished = (1 << 32) | ordinal, "1" if state == "succeeded" else "NULL"
            connection.exec_driver_sql(
                "INSERT INTO jobs (id, run_id, line, custom_id, model, prompt_tokens, body_bytes, state,"
                " due_at_ms, lease_gen, attempt, spent, extras, polls, misses, settle_tries, request_id,"
                f" accepted_at_ms, finished_at_ms) VALUES ({job}, 1, {ordinal}, 'r-{ordinal}', 'grok-4.3',"
                f" 10, 2, '{state}', 0, 0, {attempt}, 0, 0, 0, 0, 0, {request_id}, 1, {finished})"
            )
            connection.exec_driver_sql(f"INSERT INTO payloads (job_id, body) VALUES ({job}, {braces})")
    migrate.run_migrations(empty_database)

    jobs = [(1 << 32) | ordinal for ordinal, *_ in OLD_JOBS]
    with empty_database.write() as connection:
        run = runs.find(connection, 1)
        assert run is not None
        assert (run.recipe, run.needs) == (None, None)
        assert results.request_bodies(connection, jobs) == dict.fromkeys(jobs, (b"{}", None))
        limits = leases.LeaseLimits(rows_max=9, bytes_max=99)
        (leased,) = leases.lease_pending(connection, limits, run_id=1, worker=1, now_ms=1, until_ms=2)
        assert (leased.lease.job_id, leased.prompt_tokens) == (jobs[2], 10)
        asks = connection.exec_driver_sql("SELECT asks, asked_after, ask_tokens FROM jobs").all()
    assert [tuple(row) for row in asks] == [(0, None, 0)] * 3
