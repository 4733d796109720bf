"""What came of a run's last requests, as all workers saw it together. Only a help, like what is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from runner.limiter.store import connect, script

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_MS: Final = 3_600_000


class Recent:
    """Windows of good and bad ends, by name. Belongs to one event loop."""

    def __init__(self, redis_url: str, length: int) -> None:
        self._redis = connect(redis_url)
        self._script = self._redis.register_script(script("recent"))
        self._length = length

    async def add(self, name: str, ends: Sequence[bool]) -> list[bool] | None:
        """Add ends (True: a bad one), oldest first; return the window, None while Redis is away."""
        new = "".join("1" if bad else "0" for bad in ends)
        try:
            kept = await self._script([_key(name)], [new, self._length, KEPT_MS])
        except (RedisError, OSError):
            return None
        return [mark == ord("1") for mark in kept]

    async def forget(self, name: str) -> None:
        """Empty a window; one that cannot be emptied empties itself within the hour."""
        try:
            await self._redis.delete(_key(name))
        except (RedisError, OSError):
            return

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()


def _key(name: str) -> str:
    return f"{{runner}}:recent:{name}"
