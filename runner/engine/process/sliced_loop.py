"""A loop of a worker that Celery tasks drive, for one time slice at a time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.runs.active_runs import ActiveRuns

IDLE_S: Final = 0.5  # at most, between two rounds without work


class SlicedLoop(ABC):
    """Does rounds while there are runs at work. `wakeup` ends an idle wait; it is one of `wakeups`."""

    def __init__(self, runs: ActiveRuns, wakeups: Wakeups, wakeup: asyncio.Event) -> None:
        self._runs, self._wakeups, self._wakeup = runs, wakeups, wakeup
        self._slice_lock = asyncio.Lock()

    async def run_slice(self, seconds: float) -> bool | None:
        """Work for at most `seconds`; return whether work was left.

        None: another slice runs already, and was woken.
        """
        self._runs.expire()
        self._wakeups.wake_all()
        if self._slice_lock.locked():
            return None
        async with self._slice_lock:
            try:
                return await self._work(seconds)
            finally:
                await self._end_slice()

    async def _work(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not self._wakeups.is_stopping and await self._runs.read():
            if loop.time() > until:
                return True
            self._wakeup.clear()
            if not await self._round():
                await self._idle()
        return False

    @abstractmethod
    async def _round(self) -> bool:
        """Do what can be done now; return whether more may be done at once."""

    @abstractmethod
    async def _idle(self) -> None:
        """Wait until there may be work again."""

    @abstractmethod
    async def _end_slice(self) -> None:
        """Give back what a time slice holds."""
