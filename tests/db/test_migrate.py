"""The migrations make exactly the tables of tables.py, on SQLite and on PostgreSQL, and lose nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from runner.db import migrate
from runner.db.session import Database
from runner.embedded import schema
from runner.embedded.home import Home
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A throw-away server on a unix socket; PostgreSQL refuses to run as root."""
    if not POSTGRES:
        pytest.skip("PostgreSQL is not installed")
    folder = Path("/tmp") / f"runner-pg-{os.getpid()}"
    folder.mkdir(mode=0o700)
    as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    if as_nobody:
        os.chown(folder, NOBODY, NOBODY)

    def call(*words: object) -> None:
        subprocess.run(
            [str(word) for word in words],
            check=True,
            capture_output=True,
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            **as_nobody,  # type: ignore[call-overload]
        )

    data = folder / "data"
    call(POSTGRES[0] / "initdb", "-D", data, "-U", "ann", "--auth=trust", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    call(POSTGRES[0] / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://ann@/postgres?host={folder}"
    finally:
        call(POSTGRES[0] / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield an empty database."""
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    else:
        made = Database(request.getfixturevalue("postgres_url"))
        with made.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
    yield made
    made.close()


def downgrade(database: Database) -> None:
    config = migrate._config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def test_head_is_what_alembic_says() -> None:
    """The constant that spares Alembic's import names the newest revision, and there is one head."""
    assert ScriptDirectory.from_config(migrate._config()).get_heads() == [migrate.HEAD]


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    """Columns, types, keys, named constraints, partial indexes: as tables.py would have made them."""
    assert migrate.upgrade(database, None)

    assert migrate.check(database) == []
    assert migrate.revision(database) == migrate.HEAD
    assert not migrate.upgrade(database, None)


def test_up_down_and_up_again_ends_the_same(database: Database) -> None:
    """A downgrade leaves nothing behind."""
    migrate.upgrade(database, None)
    downgrade(database)
    assert migrate.revision(database) is None
    assert all(word.startswith("not in the database") for word in migrate.check(database))

    migrate.upgrade(database, None)

    assert migrate.check(database) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE jobs ADD COLUMN colour TEXT", "not in tables.py: jobs.colour"),
        ("DROP INDEX ix_jobs_pending", "not in the database: jobs: ix_jobs_pending"),
    ],
)
def test_drift_is_told(database: Database, change: str, told: str) -> None:
    """A schema that was changed by hand is told line by line."""
    migrate.upgrade(database, None)
    with database.write() as connection:
        connection.exec_driver_sql(change)

    assert any(line.startswith(told) for line in migrate.check(database))


def test_a_changed_condition_is_drift_too(tmp_path: Path) -> None:
    """An index of the same name with another condition is another index."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, None)
    with database.write() as connection:
        connection.exec_driver_sql("DROP INDEX ix_jobs_pending")
        connection.exec_driver_sql("CREATE INDEX ix_jobs_pending ON jobs (run_id, id) WHERE state = 'held'")

    assert len(migrate.check(database)) == 2
    database.close()


def test_a_newer_database_is_refused(database: Database) -> None:
    """An older program does not touch what it does not know."""
    migrate.upgrade(database, None)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(UsageError, match="newer runner"):
        migrate.upgrade(database, None)


def test_an_older_file_is_copied_first_and_two_copies_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a migration would spoil is still there; copies do not pile up."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, tmp_path)
    assert not list(tmp_path.glob("*.before-*")), "a new file needs no copy"
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO workers (host, node, pid, started_at_ms, seen_at_ms) VALUES ('a', 'b', 1, 1, 1)"
        )
    monkeypatch.setattr(migrate, "HEAD", "0002")
    for number, name in enumerate(("before-a", "before-b")):
        old = tmp_path / f"runner.db.{name}"
        old.write_bytes(b"")
        os.utime(old, (number, number))

    migrate.upgrade(database, tmp_path)
    database.close()

    assert {path.name for path in tmp_path.glob("*.before-*")} == {
        "runner.db.before-b",
        "runner.db.before-0001",
    }
    copy = tmp_path / "runner.db.before-0001"
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT host FROM workers").fetchall() == [("a",)]


def test_without_room_for_the_copy_nothing_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No copy, no migration."""
    database = Database(f"sqlite:///{tmp_path / 'runner.db'}")
    migrate.upgrade(database, tmp_path)
    monkeypatch.setattr(migrate, "HEAD", "0002")

    with pytest.raises(UsageError, match="no copy"):
        migrate.upgrade(database, tmp_path / "missing")
    database.close()


def test_a_database_at_head_costs_no_alembic(tmp_path: Path) -> None:
    """Every command asks; only the first one pays."""
    path = f"sqlite:///{tmp_path / 'runner.db'}"
    database = Database(path)
    migrate.upgrade(database, tmp_path)
    database.close()
    code = (
        "import sys; from runner.db import migrate; from runner.db.session import Database;"
        f"assert not migrate.upgrade(Database('{path}'), None); assert 'alembic' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_processes_may_upgrade_at_once(database: Database) -> None:
    """The database decides who does it; the others find it done."""
    url = database.url.render_as_string(hide_password=False)
    code = (
        "from runner.db import migrate; from runner.db.session import Database;"
        f"migrate.upgrade(Database({url!r}), None)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    assert migrate.check(database) == []


def test_an_embedded_database_is_not_changed_under_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine of another version keeps the schema that it began with; without one it is brought up."""
    monkeypatch.setattr(schema, "_WAIT_S", 0.1)
    home = Home(tmp_path)
    home.prepare()
    database = Database(f"sqlite:///{home.db}")
    engine = home.engine_lock()
    engine.exclusive()
    began = time.monotonic()

    with pytest.raises(UsageError, match="another version"):
        schema.bring_up(home, database)
    assert time.monotonic() - began >= 0.1
    engine.release()
    schema.bring_up(home, database)

    assert migrate.revision(database) == migrate.HEAD
    database.close()
