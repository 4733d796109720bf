"""The heartbeat of a worker: every few seconds it renews its row and reclaims its own expired leases.

While a worker sends heartbeats no other worker takes its leases: only the worker itself knows which jobs it
is working on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from runner.db.connection.driver_errors import first_line, is_unavailable
from runner.db.workers import leases, workers
from runner.engine.recovery import expired_leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.engine.process.shared_clock import SharedClock
    from runner.engine.runs.cost_bounds import PriceBasis
    from runner.engine.storing.group_commit import GroupCommit

HEARTBEAT_S: Final = 5.0
log = logging.getLogger("runner.heartbeat")


class Heartbeat:
    """`worker` is the id of its row, `jobs_in_flight` returns the ids of the jobs that it is sending or
    fetching. `drain` ends the worker in order; it is called once, when its row says that it is to drain."""

    def __init__(
        self,
        *,
        group_commit: GroupCommit,
        clock: SharedClock,
        worker: int,
        jobs_in_flight: Callable[[], set[int]],
        price_basis: PriceBasis,
        drain: Callable[[], None],
    ) -> None:
        self._group_commit, self._clock, self._worker = group_commit, clock, worker
        self._jobs_in_flight, self._price_basis, self._drain = jobs_in_flight, price_basis, drain
        self._is_draining = False
        self._was_set_back = False  # the clock, and due times were not mended yet

    async def run(self) -> None:
        """Send a heartbeat every HEARTBEAT_S, until cancelled or an error."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                jump_ms = await loop.run_in_executor(None, self._clock.resync)
            except DBAPIError as error:
                if not is_unavailable(error):
                    raise
                log.warning("heartbeat.skipped cause=%s", first_line(error))
                continue
            if jump_ms:
                log.warning("clock.jumped seconds=%.1f", jump_ms / 1000)
            self._was_set_back |= jump_ms < 0
            in_flight, was_set_back = self._jobs_in_flight(), self._was_set_back
            # alone: a job must not prevent it
            if await self._group_commit.execute(lambda c, _: self.renew(c)) and not self._is_draining:
                self._is_draining = True
                log.warning("worker.draining worker=%d", self._worker)
                self._drain()
            await self._group_commit.execute(
                lambda c, d, h=in_flight, b=was_set_back: self.reclaim_expired(c, d, h, was_set_back=b)  # type: ignore[misc]
            )
            self._was_set_back = False

    def renew(self, connection: Connection) -> bool:
        """Record in the worker's row that it is alive now; return whether it is to drain."""
        return workers.record_heartbeat(connection, self._worker, self._clock.now_ms())

    def reclaim_expired(
        self, connection: Connection, deltas: Deltas, in_flight: set[int], *, was_set_back: bool
    ) -> None:
        """Reclaim the worker's expired leases, but for jobs in flight; mend due times of a clock set back."""
        now_ms = self._clock.now_ms()
        if was_set_back:
            leases.make_all_due(connection, now_ms)
        if not self._clock.is_steady:
            return
        expired_leases.reclaim_own(connection, deltas, self._worker, in_flight, now_ms, self._price_basis)
