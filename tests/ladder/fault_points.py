"""Fault points at all calls to the outside, numbered in the order in which they are reached.

Such calls are transactions, requests to the API, round trips to the limiter and writes to the disk. Each has
a point before and a point after; a transaction has one more, before its commit.
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
from runner.engine.storing.spool import Segment
from runner.limiter.store import LimiterUnavailable, Store
from runner.output import write as output
from runner.rules.advice import Advice
from runner.rules.replies.reply import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

Mode = Literal["exit", "raise", "persist"]
INJECTED: Final = Advice("a fault was injected", "this is a test")


class FaultPoints:
    """Counts the points reached. At point number `point` it exits the process or raises an error.

    `mode`: "exit", "raise" (once) or "persist" (raise at this and all later points of the same kind).
    `reached`: the file to which it then writes which point that was.
    """

    def __init__(self, mode: Mode | None, point: int, reached: Path) -> None:
        self.count = 0
        self._mode, self._point, self._reached = mode, point, reached
        self._broken = ""
        self._lock = threading.Lock()

    def reach(self, kind: str, place: str, error: Callable[[], Exception]) -> None:
        """Count a point of a kind of call; inject the fault if it is the chosen one."""
        with self._lock:
            self.count += 1
            is_chosen = self.count == self._point and self._mode is not None
            if is_chosen:
                self._broken = kind if self._mode == "persist" else ""
                self._reached.write_text(f"{kind} {place}\n")
        if is_chosen and self._mode == "exit":
            os._exit(9)
        if is_chosen or self._broken == kind:
            raise error()

    def install(self) -> None:
        """Replace the product's functions by ones with fault points."""
        _database(self)
        _api(self)
        _limiter(self)
        _disk(self)


def _database(points: FaultPoints) -> None:
    write, read = Database.write, Database.read

    def error() -> Exception:
        return OperationalError("injected", {}, Exception("a fault was injected"))

    @contextmanager
    def writing(self: Database) -> Iterator[Any]:
        points.reach("database", "before", error)
        with write(self) as connection:
            yield connection
            points.reach("database", "before its commit", error)
        points.reach("database", "after", error)

    @contextmanager
    def reading(self: Database) -> Iterator[Any]:
        points.reach("database", "before a read", error)
        with read(self) as connection:
            yield connection

    Database.write, Database.read = writing, reading  # type: ignore[method-assign]


def _api(points: FaultPoints) -> None:
    submit, fetch = deferred.submit, deferred.fetch

    async def submitting(*words: Any) -> Any:
        points.reach("api", "before a submit", lambda: RequestFailed(Fault.NOT_SENT, INJECTED))
        reply = await submit(*words)
        points.reach("api", "after a submit", lambda: RequestFailed(Fault.UNKNOWN, INJECTED))
        return reply

    async def fetching(*words: Any) -> Any:
        points.reach("api", "before a fetch", lambda: RequestFailed(Fault.NOT_SENT, INJECTED))
        reply = await fetch(*words)
        points.reach("api", "after a fetch", lambda: RequestFailed(Fault.CUT, INJECTED))
        return reply

    deferred.submit, deferred.fetch = submitting, fetching  # type: ignore[assignment]


def _limiter(points: FaultPoints) -> None:
    original = Store._execute

    async def asking(self: Store, answer: Awaitable[Any]) -> Any:
        try:
            points.reach("limiter", "before", lambda: LimiterUnavailable("a fault was injected"))
        except LimiterUnavailable:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
            raise
        reply = await original(self, answer)
        points.reach("limiter", "after", lambda: LimiterUnavailable("a fault was injected"))
        return reply

    Store._execute = asking  # type: ignore[method-assign]


def _disk(points: FaultPoints) -> None:
    append, publish = Segment.append, output.publish  # type: ignore[attr-defined]

    def error() -> Exception:
        return OSError(28, "a fault was injected")

    def appending(self: Segment, record: bytes) -> None:
        points.reach("disk", "before a record", error)
        append(self, record)
        points.reach("disk", "after a record", error)

    def publishing(drafts: Any) -> None:
        points.reach("disk", "before the files are in place", error)
        publish(drafts)
        points.reach("disk", "after the files are in place", error)

    Segment.append = appending  # type: ignore[method-assign]
    output.publish = publishing  # type: ignore[attr-defined]
