"""One door to the database: engines, transactions, and what SQLite and PostgreSQL do differently."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url

from runner.db import trouble
from runner.db.stopwatch import Stopwatch
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SQLITE_BUSY_MS = 30_000
SQLITE_CACHE_KIB = 8_192  # of each connection
_TRY_AGAIN_S = 0.005
# Each connection holds up to its cache of pages: few are kept, and the last one that was used goes first.
_SQLITE_POOL: dict[str, Any] = {"pool_size": 2, "max_overflow": 12, "pool_use_lifo": True}
_STATEMENTS_KEPT = 160  # prepared; each kind comes in the lengths of `bulk`, and a long one takes 200 kB
AS_BYTES = "runner_as_bytes"  # of an execution: PostgreSQL sends BYTEA as it is, else as hex, twice as long
_OVERFLOW = 2  # connections beyond the pool's size, for a moment
_POSTGRES = {
    "connect_timeout": 10,
    "options": " ".join(
        f"-c {setting}"
        for setting in (
            "synchronous_commit=on",
            "timezone=UTC",
            # A process that is frozen within a transaction must not lock the others out for ever.
            "idle_in_transaction_session_timeout=20s",
            # A plan that was made while a table was small must not read it whole when it is large.
            "enable_seqscan=off",
            "jit=off",  # else it compiles what reads the small tables: that has the look of a high cost now
        )
    ),
    "keepalives_idle": 10,  # a server that has vanished without a word is noticed within half a minute
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Database:
    """A database by its URL: `sqlite:///…` or `postgresql+psycopg://…`."""

    def __init__(self, url: str, *, pool_size: int = 4, answer_s: float | None = None) -> None:
        """Open nothing yet. `answer_s`: PostgreSQL connections that show nothing for so long are cut."""
        parsed = _parse(url)
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _sqlite(parsed) if self.is_sqlite else _postgres(parsed, pool_size)
        is_watched = answer_s is not None and not self.is_sqlite
        self.stopwatch = Stopwatch(self.engine, answer_s) if is_watched and answer_s else None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open one writing transaction (SQLite: BEGIN IMMEDIATE, so that it never fails half-way)."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open one reading transaction: a single snapshot that blocks nobody."""
        options: dict[str, Any] = (
            {"runner_read": True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        )
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    def now_ms(self) -> int:
        """Return the database's wall clock: the one clock that all hosts share."""
        if self.is_sqlite:
            return time.time_ns() // 1_000_000
        with self.engine.connect() as connection:
            seconds = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
        return int(seconds * 1000)

    def check(self) -> None:
        """Raise `Unreachable` with a sentence for people when the database does not answer."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM sqlite_master" if self.is_sqlite else "SELECT 1"))
        except trouble.TROUBLES as error:
            told = trouble.told(error, self.url)
            if told is None:
                raise
            raise told from error

    def compact(self) -> int:
        """Give the space of removed rows back to the disk, where there is room to; return how many bytes.

        SQLite writes the file anew for that, and others wait meanwhile. PostgreSQL does it in its own time.
        Raises SQLAlchemy's DBAPIError, as any other statement.
        """
        if not self.is_sqlite or not self.url.database:
            return 0
        file = Path(self.url.database)
        before = file.stat().st_size
        if shutil.disk_usage(file.parent).free < 2 * before:
            return 0
        raw = self.engine.raw_connection()
        try:
            with trouble.of_the_driver(self.engine.dialect):
                raw.cursor().execute("VACUUM")
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()
        return max(0, before - file.stat().st_size)

    def close(self) -> None:
        """Close all connections."""
        if self.stopwatch is not None:
            self.stopwatch.stop()
        self.engine.dispose()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except Exception as error:
        raise UsageError(
            "RUNNER_DATABASE_URL is not a database URL",
            fix="write it as postgresql+psycopg://user:password@host/name or sqlite:////path/to/file.db",
        ) from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise UsageError(
            f"{parsed.get_backend_name()} is not supported as a database",
            fix="use PostgreSQL (postgresql+psycopg://…) or SQLite (sqlite:///…)",
        )
    return parsed


def _sqlite(url: URL) -> Engine:
    trouble.need_sqlite()
    is_file = url.database not in {None, ":memory:"}  # in memory there is one connection
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
        connection.isolation_level = None  # we say BEGIN ourselves
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
    """Give the file a write-ahead log.

    Where two processes do so to a new file at once, SQLite tells one of them that it is locked without
    waiting: each reads, and neither could go on to write.
    """
    until = time.monotonic() + SQLITE_BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_TRY_AGAIN_S)
        else:
            return


def _postgres(url: URL, pool_size: int) -> Engine:
    from psycopg import pq  # only where there is a PostgreSQL

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
        if context.execution_options.get(AS_BYTES):
            cursor.format = pq.Format.BINARY

    return engine
