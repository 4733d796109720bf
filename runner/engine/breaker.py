"""The breaker: pauses a run when most of its last requests may have cost money for nothing.

Every worker adds what it saw to one window of the run, so that eight workers are as careful as one; while
Redis is away each goes by its own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.limiter.recent import Recent
from runner.rules.breaker import WINDOW, tripped
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOLD_EACH_S: Final = 0.5  # good ends are news to nobody


class Door(StrEnum):
    """Where a request went."""

    SUBMIT = "submit"
    FETCH = "fetch"


_SAYS: Final = {
    Door.SUBMIT: "{bad} of the last {all} requests ended without a reply; nobody knows if they were paid",
    Door.FETCH: "{bad} of the last {all} answers were gone when they were fetched, and paid for",
}


class Breaker:
    """Told of every end; calls `pause(run_id, reason, why)` when it trips, and begins anew."""

    def __init__(self, redis_url: str, pause: Callable[[int, PauseReason, str], Awaitable[None]]) -> None:
        self._recent = Recent(redis_url, WINDOW)
        self._pause = pause
        self._own: defaultdict[tuple[int, Door], deque[bool]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._new: defaultdict[tuple[int, Door], deque[bool]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._told_at: dict[tuple[int, Door], float] = {}
        self._in_turn = asyncio.Lock()
        self._telling: set[asyncio.Task[None]] = set()

    def ended(self, run_id: int, door: Door, *, bad: bool) -> None:
        """Note how a request ended. Leave out what a crash left behind."""
        key, loop = (run_id, door), asyncio.get_running_loop()
        self._own[key].append(bad)
        self._new[key].append(bad)
        if bad or loop.time() - self._told_at.get(key, 0.0) >= TOLD_EACH_S:
            self._told_at[key] = loop.time()
            task = loop.create_task(self._tell(run_id, door), name="breaker")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def settled(self) -> None:
        """Wait until what was seen is told."""
        if self._telling:
            await asyncio.wait(self._telling)

    async def close(self) -> None:
        """Close the connection."""
        await self.settled()
        await self._recent.close()

    async def _tell(self, run_id: int, door: Door) -> None:
        name = f"{run_id}:{door}"
        async with self._in_turn:  # a bad end must not overtake the good ones before it
            new = list(self._new.pop((run_id, door), ()))
            if not new:
                return
            window = await self._recent.add(name, new) or list(self._own[run_id, door])
        if tripped(window):
            self._own.pop((run_id, door), None)
            self._new.pop((run_id, door), None)
            await self._recent.forget(name)
            why = _SAYS[door].format(bad=sum(window), all=len(window))
            await self._pause(run_id, PauseReason.BREAKER, why)
