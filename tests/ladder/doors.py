"""The doors of the product, numbered as they are crossed; at one crossing something happens.

A door is a call to the outside: a transaction, a request to the API, a talk to the limiter, a write to the
disk. Each has a point before and a point after (a transaction one more, before its commit).
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy.exc import OperationalError

from runner.api import deferred
from runner.api.request_failed import RequestFailed
from runner.db.session import Database
from runner.engine.spool import Segment
from runner.limiter.store import LimiterUnavailable, Store
from runner.output import write as output
from runner.rules.advice import Advice
from runner.rules.reply import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

Mode = Literal["exit", "raise", "persist"]
STRUCK: Final = Advice("struck at a door", "this is a test")


class Doors:
    """Counts crossings; at the `point`-th it ends the process, or raises: once, or from then on.

    `told` is a file that then says which door it was.
    """

    def __init__(self, mode: Mode | None, point: int, told: Path) -> None:
        self.crossed = 0
        self._mode, self._point, self._told = mode, point, told
        self._broken = ""
        self._lock = threading.Lock()

    def cross(self, door: str, place: str, error: Callable[[], Exception]) -> None:
        """Cross a point of a door."""
        with self._lock:
            self.crossed += 1
            is_it = self.crossed == self._point and self._mode is not None
            if is_it:
                self._broken = door if self._mode == "persist" else ""
                self._told.write_text(f"{door} {place}\n")
        if is_it and self._mode == "exit":
            os._exit(9)
        if is_it or self._broken == door:
            raise error()

    def hang(self) -> None:
        """Put the points at the product's doors."""
        _database(self)
        _api(self)
        _limiter(self)
        _disk(self)


def _database(doors: Doors) -> None:
    write, read = Database.write, Database.read

    def error() -> Exception:
        return OperationalError("struck", {}, Exception("struck at a door"))

    @contextmanager
    def writing(self: Database) -> Iterator[Any]:
        doors.cross("database", "before", error)
        with write(self) as connection:
            yield connection
            doors.cross("database", "before its commit", error)
        doors.cross("database", "after", error)

    @contextmanager
    def reading(self: Database) -> Iterator[Any]:
        doors.cross("database", "before a look", error)
        with read(self) as connection:
            yield connection

    Database.write, Database.read = writing, reading  # type: ignore[method-assign]


def _api(doors: Doors) -> None:
    submit, fetch = deferred.submit, deferred.fetch

    async def submitting(*words: Any) -> Any:
        doors.cross("api", "before a submit", lambda: RequestFailed(Fault.NOT_SENT, STRUCK))
        reply = await submit(*words)
        doors.cross("api", "after a submit", lambda: RequestFailed(Fault.UNKNOWN, STRUCK))
        return reply

    async def fetching(*words: Any) -> Any:
        doors.cross("api", "before a fetch", lambda: RequestFailed(Fault.NOT_SENT, STRUCK))
        reply = await fetch(*words)
        doors.cross("api", "after a fetch", lambda: RequestFailed(Fault.CUT, STRUCK))
        return reply

    deferred.submit, deferred.fetch = submitting, fetching  # type: ignore[assignment]


def _limiter(doors: Doors) -> None:
    asked = Store._execute

    async def asking(self: Store, answer: Awaitable[Any]) -> Any:
        try:
            doors.cross("limiter", "before", lambda: LimiterUnavailable("struck at a door"))
        except LimiterUnavailable:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
            raise
        heard = await asked(self, answer)
        doors.cross("limiter", "after", lambda: LimiterUnavailable("struck at a door"))
        return heard

    Store._execute = asking  # type: ignore[method-assign]


def _disk(doors: Doors) -> None:
    append, publish = Segment.append, output.publish  # type: ignore[attr-defined]

    def error() -> Exception:
        return OSError(28, "struck at a door")

    def appending(self: Segment, record: bytes) -> None:
        doors.cross("disk", "before a record", error)
        append(self, record)
        doors.cross("disk", "after a record", error)

    def publishing(drafts: Any) -> None:
        doors.cross("disk", "before the files are in place", error)
        publish(drafts)
        doors.cross("disk", "after the files are in place", error)

    Segment.append = appending  # type: ignore[method-assign]
    output.publish = publishing  # type: ignore[attr-defined]
