"""The last outcomes (good or bad) of a run's requests, shared by all workers. Optional, like estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from runner.limiter.store import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

KEPT_MS: Final = 3_600_000  # after the last outcome


class OutcomeWindow:
    """Windows of the last `length` outcomes, by name. Belongs to one event loop."""

    def __init__(self, redis: Redis, length: int) -> None:
        self._redis = redis
        self._script = self._redis.register_script(script("outcome_window"))
        self._length = length

    async def add(self, name: str, outcomes: Sequence[bool]) -> list[bool] | None:
        """Add outcomes (True: bad), oldest first. Return the window, None while Redis is unavailable."""
        new = "".join("1" if bad else "0" for bad in outcomes)
        try:
            kept = await self._script([_key(name)], [new, self._length, KEPT_MS])
        except (RedisError, OSError):
            return None
        return [char == ord("1") for char in kept]

    async def forget(self, name: str) -> None:
        """Empty a window. Without Redis it expires KEPT_MS after its last outcome."""
        try:
            await self._redis.delete(_key(name))
        except (RedisError, OSError):
            return


def _key(name: str) -> str:
    return f"{{runner}}:recent:{name}"
