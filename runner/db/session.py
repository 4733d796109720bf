"""The database connection: engines, transactions, and what SQLite and PostgreSQL do differently."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from runner import certificate_files
from runner.db import driver_errors
from runner.db.statement_timeout import StatementTimeout
from runner.rules import server_url
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SQLITE_BUSY_MS = 30_000
SQLITE_CACHE_KIB = 8_192  # of each connection
_RETRY_S = 0.005
# Each connection has a page cache of its own: few are kept, and the last one used is used first.
_SQLITE_POOL: dict[str, Any] = {"pool_size": 2, "max_overflow": 12, "pool_use_lifo": True}
_STATEMENTS_KEPT = 160  # prepared; each kind has the lengths of `bulk`, and a long one takes 200 kB
BINARY_BYTEA = (
    "runner_as_bytes"  # an execution option: PostgreSQL sends BYTEA in binary, not as hex (twice that)
)
_OVERFLOW = 2  # connections beyond the pool's size, for a moment
_POSTGRES = {
    "connect_timeout": 10,
    "options": " ".join(
        f"-c {setting}"
        for setting in (
            "synchronous_commit=on",
            "timezone=UTC",
            # A process that is frozen within a transaction must not lock out the others for ever.
            "idle_in_transaction_session_timeout=20s",
            # A plan that was made while a table was small must not read it whole when it is large.
            "enable_seqscan=off",
            "jit=off",  # without sequential scans, queries on small tables look costly enough to compile
        )
    ),
    "keepalives_idle": 10,  # with the next three: a vanished server is noticed within half a minute
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Database:
    """A database by its URL: `sqlite:///…` or `postgresql+psycopg://…`."""

    def __init__(self, url: str, *, pool_size: int = 4, answer_timeout_s: float | None = None) -> None:
        """Open no connection yet. `answer_timeout_s`: the statement timeout on PostgreSQL; None: none."""
        parsed = _parse(url)
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _sqlite(parsed) if self.is_sqlite else _postgres(parsed, pool_size)
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

    def check(self) -> None:
        """Raise Unreachable, with a sentence for the user, where the database does not answer."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM sqlite_master" if self.is_sqlite else "SELECT 1"))
        except driver_errors.DRIVER_ERRORS as error:
            unreachable = driver_errors.as_unreachable(error, self.url)
            if unreachable is None:
                raise
            raise unreachable from error

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


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(
            "RUNNER_DATABASE_URL is not a database URL",
            fix="write it as postgresql+psycopg://user:password@host/name or sqlite:////path/to/file.db",
        ) from None  # its text may hold the password
    if parsed.get_backend_name() == "postgresql":
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


def _sqlite(url: URL) -> Engine:
    driver_errors.check_sqlite_version()
    is_file = url.database not in {None, ":memory:"}  # a database in memory has one connection
    engine = create_engine(
        url,
        **(_SQLITE_POOL if is_file else {}),
        connect_args={
            "timeout": SQLITE_BUSY_MS / 1000,
            "check_same_thread": False,
            "cached_statements": _STATEMENTS_KEPT,
        },
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver sends no BEGIN; _begin below does
        cursor = connection.cursor()
        _write_ahead(cursor)
        for pragma in (
            "synchronous=FULL",
            f"busy_timeout={SQLITE_BUSY_MS}",
            f"cache_size=-{SQLITE_CACHE_KIB}",
            "temp_store=MEMORY",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that begins as a reader and then writes can fail at once with "database is locked".
        reading = connection.get_execution_options().get("runner_read", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch the file to a write-ahead log.

    Where two processes do so on a new file at once, SQLite fails one of them with "locked" without waiting:
    both have read and neither can write. So this retries for the busy timeout.
    """
    deadline_s = time.monotonic() + SQLITE_BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _check_parameters(url: URL) -> None:
    """Raise UsageError for a parameter that libpq does not know: every statement would fail for it."""
    from psycopg import ProgrammingError, conninfo

    for name in url.query:
        try:
            conninfo.make_conninfo(**{name: ""})
        except ProgrammingError:
            shown = server_url.shown_url(f"postgresql:///?{name}=").partition("?")[2].partition("=")[0]
            what = f"RUNNER_DATABASE_URL has a parameter that PostgreSQL does not know: {shown}"
            raise UsageError(what, fix="take it out of the URL") from None


def _postgres(url: URL, pool_size: int) -> Engine:
    from psycopg import pq  # slow to import; only PostgreSQL needs it

    _check_parameters(url)
    certificate_files.check_url("RUNNER_DATABASE_URL", url.render_as_string(hide_password=False))

    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=_OVERFLOW,
        connect_args=_POSTGRES,
    )

    @event.listens_for(engine, "before_cursor_execute")
    def _format(
        _connection: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if context.execution_options.get(BINARY_BYTEA):
            cursor.format = pq.Format.BINARY

    return engine
