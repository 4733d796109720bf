"""Connections to SQLite: how each one is set up, and that its file stays the same one."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, create_engine, event

from runner.db.connection import driver_errors
from runner.rules.servers.sqlite_errors import FILE_GONE

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import URL

SQLITE_BUSY_MS: Final = 30_000
SQLITE_CACHE_KIB: Final = 8_192  # of each connection
_RETRY_S: Final = 0.005
# Each connection has a page cache of its own: few are kept, and the last one used is used first.
_POOL: Final[dict[str, Any]] = {"pool_size": 2, "max_overflow": 12, "pool_use_lifo": True}
_STATEMENTS_KEPT: Final = 160  # prepared; each kind has the lengths of `bulk`, and a long one takes 200 kB


class DatabaseFile:
    """Refuses connections to a file that was removed or replaced since the first one was opened.

    What is written to a removed file is lost, and a new connection would make an empty one in its place.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def remember(self) -> None:
        """Take what is there now for the file, if this is the first connection to it."""
        if self._identity is None:
            self._identity = self._found()

    def is_gone(self) -> bool:
        """Return whether another file is there now, or none."""
        return self._identity is not None and self._found() != self._identity

    def check(self, *_: object) -> None:
        """Raise sqlite3.OperationalError where another file is there, or none."""
        if self.is_gone():
            raise sqlite3.OperationalError(FILE_GONE)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def sqlite_engine(url: URL, file: DatabaseFile | None) -> Engine:
    """Return the engine of a file's URL; `file` None: of a database in memory.

    Raises UsageError where Python's SQLite is too old.
    """
    driver_errors.check_sqlite_version()
    engine = create_engine(
        url,
        **(_POOL if file is not None else {}),  # a database in memory has one connection
        connect_args={
            "timeout": SQLITE_BUSY_MS / 1000,
            "check_same_thread": False,
            "cached_statements": _STATEMENTS_KEPT,
        },
    )

    if file is not None:
        event.listen(engine, "do_connect", file.check)
        event.listen(engine, "checkout", file.check)

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
        if file is not None:
            file.remember()

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
