"""The limits that were set for a team, in place of those of the model table: for all of its runs together.

They are kept in Redis, and the limiter's script reads them in each call: all workers follow at once.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.exceptions import RedisError

from runner import certificate_files
from runner.limiter.store import ConfiguredLimits, LimiterUnavailable, script, team_key
from runner.limiter.team_names import KEY as TEAMS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis as AsyncRedis

_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamLimits:
    """Requests and tokens a minute that a team may send to each model. None: not set; 0: no limit.

    A number holds up to the limit that the API announces; 0 lifts that one too.
    """

    rpm: int | None = None
    tpm: int | None = None


def read(redis_url: str, fingerprint: str) -> TeamLimits:
    """Return the limits that were set for the team of an API key. Raises LimiterUnavailable."""
    with _connected(redis_url) as redis:
        return read_with(redis, fingerprint)


def read_with(redis: Redis, fingerprint: str) -> TeamLimits:
    """Return the same, by a connection that is open. Raises what that raises."""
    rpm, tpm = _values(redis.hmget(_key(redis, fingerprint), ["rpm", "tpm"]))
    return TeamLimits(rpm=rpm, tpm=tpm)


def write(redis_url: str, fingerprint: str, limits: TeamLimits) -> None:
    """Set the limits of the team of an API key; None takes one back. Raises LimiterUnavailable.

    Settings that a worker starts with hold again only when they are changed.
    """
    given = {"rpm": limits.rpm, "tpm": limits.tpm}
    with _connected(redis_url) as redis, redis.pipeline(transaction=True) as changes:
        key = _key(redis, fingerprint)
        for name, value in given.items():
            if value is None:
                changes.hdel(key, name)
            else:
                changes.hset(key, name, str(value))
        changes.execute()


class TeamSettings:
    """The limits of a team by the settings of this worker. `host` is the id of its host."""

    def __init__(self, redis: AsyncRedis, host: str, fingerprint: str, limits: TeamLimits) -> None:
        self._host, self._fingerprint = host, fingerprint
        self._limits = limits
        self._take_over = redis.register_script(script("team_limits"))

    def configured(self, team: str) -> ConfiguredLimits:
        """Return them as the scripts take them."""
        rpm, tpm = ("" if one is None else str(one) for one in (self._limits.rpm, self._limits.tpm))
        return ConfiguredLimits(
            keys=(team_key(team), team_key(self._fingerprint)), arguments=(self._host, rpm, tpm)
        )

    async def apply(self, team: str) -> None:
        """Set the limits of a team, unless settings had the same before. Raises LimiterUnavailable."""
        configured = self.configured(team)
        try:
            await self._take_over(configured.keys, configured.arguments)
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(error) from error


@contextmanager
def _connected(redis_url: str) -> Iterator[Redis]:
    certificate_files.check_url("RUNNER_REDIS_URL", redis_url)
    try:
        with Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as redis:
            yield redis
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error


def _key(redis: Redis, fingerprint: str) -> str:
    """Return the key of the team; by the fingerprint of its API key while no worker has named it."""
    found = redis.hget(TEAMS_KEY, fingerprint)
    return team_key(found.decode() if isinstance(found, bytes) else fingerprint)


def _values(found: Any) -> list[int | None]:
    return [int(value) if value is not None else None for value in found]
