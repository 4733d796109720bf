"""A time limit for PostgreSQL's answers: a connection that shows nothing for too long is cut.

The kernel notices a host that has vanished. It does not notice a pooler or proxy on the way that takes
everything and answers nothing; the driver would wait for it for ever.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

ANSWER_S: Final = 45.0  # longer than anybody holds a lock on purpose
EACH_S: Final = 1.0


class Stopwatch:
    """Watches the connections in use of one engine, from each statement to the next, until they are back."""

    def __init__(self, engine: Engine, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since: dict[int, tuple[float, Any]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        event.listen(engine, "checkout", lambda driver, _record, _proxy: self._saw(driver))
        event.listen(engine, "checkin", lambda driver, _record: self._forget(driver))
        event.listen(engine, "invalidate", lambda driver, _record, _error: self._forget(driver))
        for what in ("begin", "commit", "rollback"):
            event.listen(engine, what, self._of)
        for what in ("before_cursor_execute", "after_cursor_execute"):
            event.listen(engine, what, lambda connection, *_: self._of(connection))
        thread = threading.Thread(target=_watch, args=(weakref.ref(self),), name="stopwatch", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def spare(self, connection: Connection) -> None:
        """Do not watch a connection that is to be idle."""
        self._forget(connection.connection.dbapi_connection)

    def _of(self, connection: Connection) -> None:
        if not connection.invalidated:
            self._saw(connection.connection.dbapi_connection)

    def _saw(self, driver: Any) -> None:
        with self._lock:
            self._since[id(driver)] = time.monotonic(), driver

    def _forget(self, driver: Any) -> None:
        with self._lock:
            self._since.pop(id(driver), None)

    def look(self) -> bool:
        """Cut what is late; return whether to look again."""
        late_s = time.monotonic() - self._limit_s
        with self._lock:
            late = [key for key, (since_s, _) in self._since.items() if since_s < late_s]
            cut = [self._since.pop(key)[1] for key in late]
        for driver in cut:
            _cut(driver)
        return not self._stopped.wait(EACH_S)


def _watch(stopwatch: weakref.ref[Stopwatch]) -> None:
    while (its := stopwatch()) is not None and its.look():
        del its


def _cut(driver: Any) -> None:
    """End a connection under whoever waits for it: the wait then fails as if the server had closed it."""
    with contextlib.suppress(Exception):  # it has just ended by itself
        ours = socket.socket(fileno=os.dup(driver.pgconn.socket))
        with contextlib.closing(ours):
            ours.shutdown(socket.SHUT_RDWR)
