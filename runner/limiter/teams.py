"""Which team a key belongs to, as all processes that share a Redis have agreed.

Limits hold per team, so two processes that named it differently would each use the whole limit.
"""

from __future__ import annotations

from typing import Final

from redis.exceptions import RedisError

from runner.limiter.store import LimiterUnavailable, connect

KEY: Final = "{runner}:teams"  # a hash: the key's fingerprint to the name that stands for its team


class Teams:
    """The first answer stands, whatever later ones say. Raises LimiterUnavailable."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def of(self, fingerprint: str) -> str | None:
        """Return the name agreed on; None while there is none."""
        try:
            found = await self._redis.hget(KEY, fingerprint)
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(error) from error
        return found.decode() if isinstance(found, bytes) else None

    async def agree(self, fingerprint: str, name: str) -> str:
        """Propose a name; return the one that stands from now on."""
        try:
            await self._redis.hsetnx(KEY, fingerprint, name)
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(error) from error
        return await self.of(fingerprint) or name
