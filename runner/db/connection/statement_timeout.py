"""A statement timeout on the client's side for PostgreSQL: a connection without activity is cut.

TCP keepalives notice a vanished host. They do not notice a pooler or proxy in between that accepts
everything and answers nothing; the driver would wait for it for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from runner.rules.servers.postgres_errors import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

ANSWER_TIMEOUT_S: Final = 45.0  # longer than any lock is held on purpose
_CHECK_EVERY_S: Final = 1.0


class StatementTimeout:
    """Cuts connections of one engine that are checked out of the pool and without activity for too long.

    Activity is the begin and end of a statement and of a transaction. A daemon thread checks once a second;
    it ends with `stop`, or when this object is collected.
    """

    def __init__(self, engine: Engine, limit_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Listen to the engine's events and start the thread."""
        self._limit_s, self._clock_s = limit_s, clock_s
        self._active_at: dict[int, tuple[float, Any]] = {}  # by the driver connection's id
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        event.listen(engine, "checkout", lambda driver, _record, _proxy: self._note_activity(driver))
        event.listen(engine, "checkin", lambda driver, _record: self._forget(driver))
        event.listen(engine, "invalidate", lambda driver, _record, _error: self._forget(driver))
        for name in ("begin", "commit", "rollback"):
            event.listen(engine, name, self._note_connection)
        for name in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(engine, name, lambda connection, *_: self._note_connection(connection))
        thread = threading.Thread(target=_watch, args=(weakref.ref(self),), name="stopwatch", daemon=True)
        thread.start()

    def stop(self) -> None:
        """End the thread; nothing is cut any more."""
        self._stopped.set()

    def exempt(self, connection: Connection) -> None:
        """Exempt a connection that may be idle, until its next activity."""
        self._forget(connection.connection.dbapi_connection)

    def _note_connection(self, connection: Connection) -> None:
        if not connection.invalidated:
            self._note_activity(connection.connection.dbapi_connection)

    def _note_activity(self, driver: Any) -> None:
        with self._lock:
            self._active_at[id(driver)] = self._clock_s(), driver

    def _forget(self, driver: Any) -> None:
        with self._lock:
            self._active_at.pop(id(driver), None)

    def cut_overdue(self) -> bool:
        """Cut the connections without activity for too long, then wait; return False once stopped."""
        limit_at_s = self._clock_s() - self._limit_s
        with self._lock:
            overdue = [key for key, (active_at_s, _) in self._active_at.items() if active_at_s < limit_at_s]
            drivers = [self._active_at.pop(key)[1] for key in overdue]
        for driver in drivers:
            cut(driver)
        return not self._stopped.wait(_CHECK_EVERY_S)


def _watch(reference: weakref.ref[StatementTimeout]) -> None:
    while (stopwatch := reference()) is not None and stopwatch.cut_overdue():
        del stopwatch


@contextmanager
def answers_within(driver: Any, limit_s: float) -> Iterator[None]:
    """Cut a connection of psycopg that answers no statement of the block in time.

    Raises psycopg.OperationalError with the words SILENT then.
    """
    import psycopg

    is_over = threading.Event()

    def end() -> None:
        is_over.set()  # first: the cut wakes the thread that looks
        cut(driver)

    limit = threading.Timer(limit_s, end)
    limit.daemon = True
    limit.start()
    try:
        yield
    except psycopg.OperationalError as error:
        if is_over.is_set():
            raise psycopg.OperationalError(f"{SILENT} within {limit_s:g} s") from error
        raise
    finally:
        limit.cancel()


def cut(driver: Any) -> None:
    """Shut down a connection's socket: a thread that waits for it fails as if the server had closed it."""
    with contextlib.suppress(Exception):  # the connection may have ended in this moment
        duplicate = socket.socket(fileno=os.dup(driver.pgconn.socket))
        with contextlib.closing(duplicate):
            duplicate.shutdown(socket.SHUT_RDWR)
