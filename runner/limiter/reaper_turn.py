"""Whose turn it is to reap: one worker at a time, and any of them if none has for a while.

A key that lives longer than it was given is of a time before the clock of Redis was set back: it counts as
gone, or nobody would reap for as long as that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redis.asyncio import Redis

TAKEN: Final = "{runner}:reaping"  # so that two beats start one round
TAKEN_MS: Final = 2_000
REAPED: Final = "{runner}:reaped"  # set for a while after each round, to notice a missing beat
REAPED_S: Final = 20


class ReaperTurn:
    """`node` is the name of this worker. Each call raises RedisError or OSError when Redis fails."""

    def __init__(self, redis: Redis, node: str) -> None:
        self._redis, self._node = redis, node

    async def take(self) -> bool:
        """Return whether it is this worker's turn: no other took it just now."""
        if await self._redis.set(TAKEN, self._node, nx=True, px=TAKEN_MS):
            return True
        if await self._redis.pttl(TAKEN) <= TAKEN_MS:
            return False
        await self._redis.set(TAKEN, self._node, px=TAKEN_MS)
        return True

    async def note_done(self) -> None:
        """Record that a round is over."""
        await self._redis.set(REAPED, self._node, ex=REAPED_S)

    async def is_missing(self) -> bool:
        """Return whether no worker has reaped for REAPED_S."""
        return not 0 < await self._redis.pttl(REAPED) <= REAPED_S * 1_000
