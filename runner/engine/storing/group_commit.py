"""Group commit: batches writes from many coroutines into one transaction per flush, in one thread.

A coroutine passes one row and the function of `db` that writes such rows, and waits until it is durable.
Rows with the same function share a statement; all that waits shares a transaction. While the database is
unavailable the rows stay here and their coroutines wait, so that nothing new is fetched or sent.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from runner.db.connection.driver_errors import first_line, is_unavailable
from runner.db.counts.counters import Deltas
from runner.rules.errors import UserError

if TYPE_CHECKING:
    import asyncio

    from runner.db.session import Database

LINGER_S = 0.02  # a flush waits so long for more rows ...
QUIET_LINGER_S = 0.002  # ... or only so long, if the last flush was small: more rows are unlikely then
BUSY_ROWS = 16
FLUSH_AT_ROWS = 400  # a flush of so many rows does not wait
RETRY_S_MAX = 5.0

T = TypeVar("T")
InTransaction = Callable[[Connection, Deltas], T]
log = logging.getLogger("runner.group_commit")


Write = Callable[[Connection, Sequence[Any], Deltas], set[int]]


@dataclass(slots=True)
class _Batch:
    writes: dict[Write, list[tuple[int, Any, asyncio.Future[bool]]]] = field(default_factory=dict)
    functions: list[tuple[InTransaction[Any], asyncio.Future[Any]]] = field(default_factory=list)
    rows: int = 0


class GroupCommit:
    """Writes for one event loop, in one thread. `shard`: the shard of the counters that it adds to."""

    def __init__(self, database: Database, loop: asyncio.AbstractEventLoop, shard: int) -> None:
        self._database, self._loop, self._shard = database, loop, shard
        self._batch = _Batch()
        self._condition = threading.Condition()
        self._ending = False
        self._was_busy = False
        self.refusal: UserError | None = None  # why the last transaction was refused, if it was
        self._thread = threading.Thread(target=self._flush_forever, name="group-commit", daemon=True)
        self._thread.start()

    async def write(self, action: Write, job_id: int, row: Any) -> bool:
        """Write one row; return, once it is durable, whether its job changed state.

        Raises what the database raised for this row, unless that passes by itself (it is tried again then).
        """
        future: asyncio.Future[bool] = self._loop.create_future()
        with self._condition:
            self._batch.writes.setdefault(action, []).append((job_id, row, future))
            self._batch.rows += 1
            if self._batch.rows in (1, FLUSH_AT_ROWS):
                self._condition.notify()
        return await future

    async def execute(self, function: InTransaction[T]) -> T:
        """Run one function in the next transaction; return its result once that is durable.

        It must be short, and runs on the thread of the group commit. Raises what it raised.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        with self._condition:
            self._batch.functions.append((function, future))
            if len(self._batch.functions) == 1:
                self._condition.notify()
        return await future

    @property
    def is_alive(self) -> bool:
        """Return whether its thread runs. Callable from any thread."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._condition:
            self._ending = True
            self._condition.notify()
        self._thread.join()

    def _flush_forever(self) -> None:
        while batch := self._next_batch():
            self._commit(batch)

    def _next_batch(self) -> _Batch | None:
        with self._condition:
            while not self._batch.rows and not self._batch.functions:
                if self._ending:
                    return None
                self._condition.wait()
            self._wait_for_more()
            batch, self._batch = self._batch, _Batch()
            self._was_busy = batch.rows >= BUSY_ROWS
            return batch

    def _wait_for_more(self) -> None:
        """Delay the flush up to LINGER_S so that more rows share it: it costs as much as 20 rows."""
        until = time.monotonic() + (LINGER_S if self._was_busy else QUIET_LINGER_S)
        while self._batch.rows < FLUSH_AT_ROWS and not self._ending:
            left_s = until - time.monotonic()
            if left_s <= 0 or not self._condition.wait(left_s):
                return

    def _commit(self, batch: _Batch) -> None:
        pause_s = 0.05
        while True:
            try:
                results = self._transaction(batch)
            except Exception as error:  # noqa: BLE001 - one bad row must not stop the others
                self._note_refusal(error)
                if not (isinstance(error, DBAPIError) and is_unavailable(error)):
                    self._one_by_one(batch, error)
                    return
                log.warning("database.unavailable retry_s=%.2f cause=%s", pause_s, first_line(error))
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_S_MAX)
            else:
                self.refusal = None
                self._loop.call_soon_threadsafe(_resolve, results)
                return

    def _note_refusal(self, error: Exception) -> None:
        explained = self._database.explained(error) if isinstance(error, DBAPIError) else error
        self.refusal = explained if isinstance(explained, UserError) else None

    def _transaction(self, batch: _Batch) -> list[tuple[asyncio.Future[Any], Any]]:
        """Write a batch. It may run again after an error: every move is guarded."""
        with self._database.write() as connection:
            return self._statements(connection, batch)

    def _statements(self, connection: Connection, batch: _Batch) -> list[tuple[asyncio.Future[Any], Any]]:
        results: list[tuple[asyncio.Future[Any], Any]] = []
        deltas = Deltas(self._shard)
        for action, rows in batch.writes.items():
            moved = action(connection, [row for _, row, _ in rows], deltas)
            results += [(future, job_id in moved) for job_id, _, future in rows]
        results += [(future, function(connection, deltas)) for function, future in batch.functions]
        deltas.write(connection)
        return results

    def _one_by_one(self, batch: _Batch, error: Exception) -> None:
        """Write each row alone, so that one bad row fails alone."""
        alone = [
            _Batch(writes={action: [row]}, rows=1) for action, rows in batch.writes.items() for row in rows
        ]
        alone += [_Batch(functions=[one]) for one in batch.functions]
        if len(alone) > 1:
            for single in alone:
                self._commit(single)
            return
        log.error("commit.refused", exc_info=error)
        futures: list[asyncio.Future[Any]] = [f for rows in batch.writes.values() for _, _, f in rows]
        futures += [future for _, future in batch.functions]
        self._loop.call_soon_threadsafe(_fail, futures, error)


def _resolve(results: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in results:
        if not future.done():
            future.set_result(result)


def _fail(futures: list[asyncio.Future[Any]], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
