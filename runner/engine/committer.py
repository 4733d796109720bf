"""Group commit: what many coroutines want written goes into few transactions, in one thread.

A coroutine hands over one row with the function of `db` that writes such rows, and waits. Rows with the
same function share a statement, everything at hand shares a transaction. While the database is away the
rows wait here, so that nothing new is fetched or sent meanwhile.
"""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from runner.db.counters import Deltas
from runner.db.trouble import first_line, is_away

if TYPE_CHECKING:
    import asyncio

    from runner.db.session import Database

LINGER_S = 0.02  # what arrives within it shares a transaction ...
QUIET_LINGER_S = 0.002  # ... or within this, where the last one was small: nobody comes, so nobody waits
BUSY_ROWS = 16
ROWS_SOON = 400  # so many do not linger
RETRY_S_MAX = 5.0

T = TypeVar("T")
Ask = Callable[[Connection, Deltas], T]
log = logging.getLogger("runner.committer")


Write = Callable[[Connection, Sequence[Any], Deltas], set[int]]


@dataclass(slots=True)
class _Batch:
    writes: dict[Write, list[tuple[int, Any, asyncio.Future[bool]]]] = field(default_factory=dict)
    asks: list[tuple[Ask[Any], asyncio.Future[Any]]] = field(default_factory=list)
    rows: int = 0


class Committer:
    """One thread that writes for one event loop."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop, shard: int) -> None:
        self._database, self._loop, self._shard = database, loop, shard
        self._batch = _Batch()
        self._condition = threading.Condition()
        self._ending = False
        self._was_busy = False
        self._thread = threading.Thread(target=self._work, name="committer", daemon=True)
        self._thread.start()

    async def write(self, action: Write, job_id: int, row: Any) -> bool:
        """Write one row; return whether its job moved, once that is durable."""
        future: asyncio.Future[bool] = self._loop.create_future()
        with self._condition:
            self._batch.writes.setdefault(action, []).append((job_id, row, future))
            self._batch.rows += 1
            if self._batch.rows in (1, ROWS_SOON):
                self._condition.notify()
        return await future

    async def ask(self, question: Ask[T]) -> T:
        """Run one function within the next transaction; return its answer, once that is durable."""
        future: asyncio.Future[T] = self._loop.create_future()
        with self._condition:
            self._batch.asks.append((question, future))
            if len(self._batch.asks) == 1:
                self._condition.notify()
        return await future

    def close(self) -> None:
        """Write what is at hand and end."""
        with self._condition:
            self._ending = True
            self._condition.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            self._commit(batch)

    def _next(self) -> _Batch | None:
        with self._condition:
            while not self._batch.rows and not self._batch.asks:
                if self._ending:
                    return None
                self._condition.wait()
            self._linger()
            batch, self._batch = self._batch, _Batch()
            self._was_busy = batch.rows >= BUSY_ROWS
            return batch

    def _linger(self) -> None:
        """Wait a moment for company: every transaction costs about as much as twenty rows."""
        until = time.monotonic() + (LINGER_S if self._was_busy else QUIET_LINGER_S)
        while self._batch.rows < ROWS_SOON and not self._ending:
            left_s = until - time.monotonic()
            if left_s <= 0 or not self._condition.wait(left_s):
                return

    def _commit(self, batch: _Batch) -> None:
        pause_s = 0.05
        while True:
            try:
                answers = self._transaction(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others' rows go on
                if not (isinstance(error, DBAPIError) and is_away(error)):
                    self._one_by_one(batch, error)
                    return
                log.warning("database.away retry_s=%.2f cause=%s", pause_s, first_line(error))
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_S_MAX)
            else:
                self._loop.call_soon_threadsafe(_resolve, answers)
                return

    def _transaction(self, batch: _Batch) -> list[tuple[asyncio.Future[Any], Any]]:
        """Write a batch; repeating it is harmless, since every move is guarded."""
        with self._database.write() as connection:
            if not self._database.is_sqlite:
                return self._statements(connection, batch)
            return self._on_loop(partial(self._statements, connection, batch))

    def _statements(self, connection: Connection, batch: _Batch) -> list[tuple[asyncio.Future[Any], Any]]:
        answers: list[tuple[asyncio.Future[Any], Any]] = []
        deltas = Deltas(self._shard)
        for action, rows in batch.writes.items():
            moved = action(connection, [row for _, row, _ in rows], deltas)
            answers += [(future, job_id in moved) for job_id, _, future in rows]
        answers += [(future, question(connection, deltas)) for question, future in batch.asks]
        deltas.write(connection)
        return answers

    def _on_loop(self, work: Callable[[], T]) -> T:
        """Do work that is all computing in the loop's thread, and wait for it here.

        SQLite lets go of the interpreter at every row. Beside a busy loop a thread waits long for it each
        time, with the write lock in its hand: five times as long as the statements take.
        """
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(_do, work, done)
        return done.result()

    def _one_by_one(self, batch: _Batch, error: Exception) -> None:
        """Keep one bad row from taking the others with it."""
        alone = [
            _Batch(writes={action: [row]}, rows=1) for action, rows in batch.writes.items() for row in rows
        ]
        alone += [_Batch(asks=[ask]) for ask in batch.asks]
        if len(alone) > 1:
            for single in alone:
                self._commit(single)
            return
        log.error("commit.refused", exc_info=error)
        futures: list[asyncio.Future[Any]] = [f for rows in batch.writes.values() for _, _, f in rows]
        futures += [future for _, future in batch.asks]
        self._loop.call_soon_threadsafe(_fail, futures, error)


def _do(work: Callable[[], T], done: concurrent.futures.Future[T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
        done.set_exception(error)


def _resolve(answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in answers:
        if not future.done():
            future.set_result(answer)


def _fail(futures: list[asyncio.Future[Any]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
