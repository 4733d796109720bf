"""Migrations: upgrade a database to the newest schema, after a copy of an old file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runner.db.connection import database_checks, driver_errors
from runner.db.connection.driver_errors import database_error
from runner.rules.errors import UsageError
from runner.rules.servers.database_fault import DatabaseFault
from runner.rules.servers.postgres_errors import INCOMPLETE, NO_SCHEMA_RIGHTS

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from runner.db.session import Database
    from runner.rules.errors import UserError

HEAD: Final = "0013"  # as in Alembic's scripts (a test compares them): so commands need not import Alembic
COPIES_KEPT: Final = 2
_VERSIONS: Final = "alembic_version"
_REVISION: Final = text(f"SELECT version_num FROM {_VERSIONS}")
_OWN: Final = "run_counters"  # a table that no other program has
_LOCK: Final = 7_203_114  # the number of a PostgreSQL advisory lock: an arbitrary one of our own


def upgrade(database: Database, home: Path | None) -> bool:
    """Upgrade the schema to HEAD; return False where it is there already (takes a few ms).

    A new SQLite file gets its tables from schema.sql, the result of all migrations. `home` is the folder
    for a copy of an older SQLite file, which is made first; None: no copy.
    Raises UsageError when the database was made by a newer version, or where the copy cannot be made.
    """
    found = revision(database)
    if found == HEAD:
        return False
    if found is not None:
        refuse_unknown(database, found)
        if home is not None and database.is_sqlite:
            _copy(Path(str(database.url.database)), home, found)
    if not (found is None and database.is_sqlite and _make(database)):
        run_migrations(database)
    return True


def run_migrations(database: Database) -> None:
    """Run Alembic's migrations up to HEAD, under a lock that every process shares."""
    from alembic import command

    script = _config()
    with database.write() as connection:
        if not database.is_sqlite:  # on SQLite, BEGIN IMMEDIATE is the lock
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        script.attributes["connection"] = connection
        command.upgrade(script, "head")


def revision(database: Database) -> str | None:
    """Return the schema's revision; None for an empty database.

    Raises Unreachable where the database cannot be read, or has tables of runner and no revision.
    """
    try:
        return _written_revision(database) or _revision_of_tables(database)
    except DBAPIError as error:
        raise database.explained(error) from error


def _written_revision(database: Database) -> str | None:
    try:
        with database.read() as connection:
            return connection.execute(_REVISION).scalar_one_or_none()
    except DBAPIError as error:
        if driver_errors.is_missing_table(error):
            return None
        raise


def _revision_of_tables(database: Database) -> str | None:
    """Return the revision after all, if another process upgrades the database just now; None without tables.

    Reads all in one transaction.
    """
    with database.read() as connection:
        is_seen = _tables(connection)
        if not all(is_seen.values()):
            raise database_error(NO_SCHEMA_RIGHTS, database.url)
        found = connection.execute(_REVISION).scalar_one_or_none() if _VERSIONS in is_seen else None
        if found is None and _OWN in is_seen:
            raise _without_revision(database, connection)
        return found


def _tables(connection: Connection) -> dict[str, bool]:
    """Return which of two tables are there, and whether their schema may be looked into."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name, 1 FROM sqlite_master WHERE name IN (:versions, :own)"
    else:
        query = (  # of the search path, also where its schemas may not be looked into
            "SELECT relname, bool_or(has_schema_privilege(relnamespace, 'USAGE')) FROM pg_class"
            " JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind = 'r' AND relname IN (:versions, :own) AND nspname IN"
            " (SELECT replace(btrim(word, ' \"'), '$user', current_user)"
            " FROM unnest(string_to_array(current_setting('search_path'), ',')) word) GROUP BY relname"
        )
    rows = connection.execute(text(query), {"versions": _VERSIONS, "own": _OWN})
    return {name: bool(is_seen) for name, is_seen in rows}


def _without_revision(database: Database, connection: Connection) -> UserError:
    """Return the error for tables without a revision, as a backup leaves them that was restored in part."""
    state = f"has tables of runner, and no schema number in {_VERSIONS}"
    if database_checks.missing_parts(connection):
        return database_error(DatabaseFault(state, INCOMPLETE.fix), database.url)
    where = f"sqlite3 {database.url.database}" if database.is_sqlite else "psql"
    statements = (
        f"CREATE TABLE IF NOT EXISTS {_VERSIONS} (version_num VARCHAR(32) PRIMARY KEY);"
        f" INSERT INTO {_VERSIONS} VALUES ('{HEAD}')"
    )
    fix = f"its tables are those of schema {HEAD}; in {where}: {statements}"
    return database_error(DatabaseFault(state, fix), database.url)


def is_older(database: Database) -> bool:
    """Return whether `upgrade` would change something. Raises UsageError when a newer version made it."""
    found = revision(database)
    if found is not None:
        refuse_unknown(database, found)
    return found != HEAD


def need_head(database: Database) -> None:
    """Raise UsageError unless the schema is at HEAD, Unreachable where it cannot be read."""
    found = revision(database)
    if found == HEAD:
        return
    if found is not None:
        refuse_unknown(database, found)
    else:
        database_checks.check_schema_rights(database)
    is_at = f"is at schema {found}" if found else "has no schema yet"
    raise UsageError(
        f"the database {database.shown_url} {is_at}, and this version needs {HEAD}", fix="runner db upgrade"
    )


@cache
def _statements() -> list[str]:
    """Return the statements of schema.sql; cached, as the process may lose the right to read its program."""
    return Path(__file__).with_name("schema.sql").read_text("utf-8").split("\n\n")[1:]


def _make(database: Database) -> bool:
    """Create the tables in an empty SQLite file; return whether it was empty."""
    with database.write() as connection:
        if connection.execute(text("SELECT 1 FROM sqlite_master LIMIT 1")).first() is not None:
            return False
        for statement in _statements():
            connection.exec_driver_sql(statement)
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    return True


def _config() -> Config:
    from alembic.config import Config

    package = Path(__file__).parent.parent
    shipped = package / "migrations"  # in a wheel; in a checkout the folder is beside the package
    folder = shipped if shipped.is_dir() else package.parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def refuse_unknown(database: Database, found: str) -> None:
    """Raise UsageError for a revision that is not among ours: of a newer version, or of another program."""
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory.from_config(_config()).get_revision(found)
    except CommandError:
        with database.read() as connection:
            is_ours = _OWN in _tables(connection)
        raise _newer(database, found) if is_ours else _of_another_program(database, found) from None


def _newer(database: Database, found: str) -> UserError:
    other = (
        "another state folder with RUNNER_HOME" if database.is_sqlite else "another in RUNNER_DATABASE_URL"
    )
    return UsageError(
        f"the database was made by a newer runner (its schema is {found}, this one knows {HEAD})",
        fix=f"update runner, or name {other}",
    )


def _of_another_program(database: Database, found: str) -> UserError:
    state = f"belongs to another program: its {_VERSIONS} has {found}, and no table is one of runner's"
    fix = "make one for runner alone (CREATE DATABASE, or CREATE SCHEMA and schema=NAME in the URL)"
    if database.is_sqlite:
        fix = "name another file in RUNNER_DATABASE_URL"
    return database_error(DatabaseFault(state, fix, is_setting=True), database.url)


def _copy(file: Path, home: Path, found: str) -> None:
    target = home / f"{file.name}.before-{found}"
    _remove_interrupted(home, file.name)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
        part.replace(target)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise UsageError(
            f"the database needs a new schema, and no copy of it could be made in {home}: {error}",
            fix="make room there (as much as the database takes), then try again",
        ) from None
    copies = sorted(home.glob(f"{file.name}.before-*"), key=lambda path: path.stat().st_mtime_ns)
    for old in copies[:-COPIES_KEPT]:
        old.unlink(missing_ok=True)


def _remove_interrupted(home: Path, name: str) -> None:
    """Remove the copies that killed processes have left half made."""
    for part in home.glob(f".{name}.before-*"):
        pid = part.name.removesuffix("-journal").rpartition(".")[2]
        if pid.isdecimal() and (int(pid) == os.getpid() or not Path("/proc", pid).exists()):
            part.unlink(missing_ok=True)
