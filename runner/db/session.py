"""The database connection: engines, transactions, and what SQLite and PostgreSQL do differently."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from runner.db.connection import driver_errors
from runner.db.connection.postgres_engine import postgres_engine
from runner.db.connection.sqlite_engine import DatabaseFile, sqlite_engine
from runner.db.connection.statement_timeout import StatementTimeout
from runner.rules.errors import UsageError
from runner.rules.servers import server_url
from runner.rules.servers.postgres_url import with_host_parameters
from runner.rules.servers.sqlite_errors import GONE

if TYPE_CHECKING:
    from collections.abc import Iterator


class Database:
    """A database by its URL: `sqlite:///…` or `postgresql+psycopg://…`."""

    def __init__(self, url: str, *, pool_size: int = 4, answer_timeout_s: float | None = None) -> None:
        """Open no connection yet. `answer_timeout_s`: the statement timeout on PostgreSQL; None: none."""
        parsed = parse_url(url)
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        is_file = self.is_sqlite and parsed.database not in {None, ":memory:"}
        self._file = DatabaseFile(Path(str(parsed.database))) if is_file else None
        self.engine = (
            sqlite_engine(parsed, self._file) if self.is_sqlite else postgres_engine(parsed, pool_size)
        )
        is_watched = answer_timeout_s is not None and not self.is_sqlite
        self.statement_timeout = (
            StatementTimeout(self.engine, answer_timeout_s) if is_watched and answer_timeout_s else None
        )

    @property
    def shown_url(self) -> str:
        """Return the URL as it may be shown, without secrets."""
        if self.is_sqlite:  # a path may be no text, which cannot be rendered
            return f"sqlite:///{self.url.database or ''}"
        return server_url.shown_url(self.url.render_as_string(hide_password=False))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a writing transaction (SQLite: BEGIN IMMEDIATE, so that no later write finds it locked)."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a reading transaction: one snapshot of the database, which blocks no writer."""
        options: dict[str, Any] = (
            {"runner_read": True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        )
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    def now_ms(self) -> int:
        """Return the database's wall clock in ms since 1970: the clock that all hosts share."""
        if self.is_sqlite:
            return _local_clock_ms()
        with self.engine.connect() as connection:
            return clock_ms(connection)

    def explained(self, error: DBAPIError) -> Exception:
        """Return a driver's error as a UserError; itself where it can only be a bug."""
        return driver_errors.as_user_error(error, self.url) or error

    def check_file(self) -> None:
        """Raise Unreachable where the file of SQLite was removed or replaced since it was opened."""
        if self._file is not None and self._file.is_gone():
            raise driver_errors.database_error(GONE, self.url)

    def check(self) -> None:
        """Raise UserError, with a sentence for the user, where the database does not answer."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM sqlite_master" if self.is_sqlite else "SELECT 1"))
        except driver_errors.DRIVER_ERRORS as error:
            raise self.explained(error) from error

    def compact(self) -> int:
        """Return the space of removed rows to the disk (SQLite's VACUUM); return how many bytes.

        It rewrites the file, and other processes wait meanwhile. Where less than twice the file's size is
        free, and on PostgreSQL, which does it by itself, it does nothing and returns 0.
        Raises SQLAlchemy's DBAPIError, as any other statement does.
        """
        if not self.is_sqlite or not self.url.database:
            return 0
        file = Path(self.url.database)
        before = file.stat().st_size
        if shutil.disk_usage(file.parent).free < 2 * before:
            return 0
        raw = self.engine.raw_connection()
        try:
            with driver_errors.as_dbapi_error(self.engine.dialect):
                raw.cursor().execute("VACUUM")
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
        return max(0, before - file.stat().st_size)

    def close(self) -> None:
        """Close all connections."""
        if self.statement_timeout is not None:
            self.statement_timeout.stop()
        self.engine.dispose()


def clock_ms(connection: Connection) -> int:
    """Return the clock of `Database.now_ms`, read within a transaction that is open already."""
    if connection.dialect.name == "sqlite":
        return _local_clock_ms()
    seconds = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    return int(seconds * 1000)


def _local_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def parse_url(url: str) -> URL:
    """Return a database's URL with the driver that is used. Raises UsageError for what is none."""
    try:
        parsed = make_url(with_host_parameters(url))
    except (ArgumentError, ValueError):
        raise UsageError(
            "RUNNER_DATABASE_URL is not a database URL",
            fix="write it as postgresql+psycopg://user:password@host/name or sqlite:////path/to/file.db",
        ) from None  # its text may hold the password
    if parsed.get_backend_name() in {"postgresql", "postgres"}:
        if "@" in (parsed.host or ""):
            raise UsageError(
                "RUNNER_DATABASE_URL has an @ in its user or password", fix="write it there as %40"
            )
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise UsageError(
            f"{parsed.get_backend_name()} is not supported as a database",
            fix="use PostgreSQL (postgresql+psycopg://…) or SQLite (sqlite:///…)",
        )
    return parsed
