"""Team name of each API key, agreed on by all processes that share a Redis.

Limits apply to a team, so two processes with different names for it would each use the whole limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from runner.limiter.store import LimiterUnavailable

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

KEY: Final = "{runner}:teams"  # a hash: fingerprint of an API key -> name of its team


def name_of_team(redis: Redis, fingerprint: str) -> str | None:
    """Return the name of a key's team; None while there is none. Raises what the connection raises."""
    found = redis.hget(KEY, fingerprint)
    return found.decode() if isinstance(found, bytes) else None


class TeamNames:
    """The first name proposed for a key stays. Each call raises LimiterUnavailable when Redis fails."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._redis = redis

    async def name_of(self, fingerprint: str) -> str | None:
        """Return the name of a key's team; None while there is none."""
        try:
            found = await self._redis.hget(KEY, fingerprint)
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(error) from error
        return found.decode() if isinstance(found, bytes) else None

    async def propose(self, fingerprint: str, name: str) -> str:
        """Propose a name; return the one in force, which an earlier proposal may have set."""
        try:
            await self._redis.hsetnx(KEY, fingerprint, name)
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(error) from error
        return await self.name_of(fingerprint) or name
