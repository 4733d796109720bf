"""The limits of a team in Redis, where they bind: handed over from the database, read for status screens.

The limiter's script reads them in each call, so all workers follow at once. An older version never replaces
a newer one, whichever process brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from redis import Redis
from redis.exceptions import RedisError

from runner import certificate_files
from runner.limiter.store import TIMEOUT_S, LimiterUnavailable, NamedTeamLimits, script, team_key
from runner.limiter.team_names import name_of_team
from runner.rules.sending.team_limits import TeamLimits

if TYPE_CHECKING:
    from redis.asyncio import Redis as AsyncRedis

    from runner.rules.sending.team_limits import VersionedLimits

_SCRIPT: Final = "team_limits"


def read_handed_over(redis: Redis, fingerprint: str) -> TeamLimits | None:
    """Return the limits that bind the team of an API key; None where none were handed over yet.

    Raises what the connection raises.
    """
    key = team_key(name_of_team(redis, fingerprint) or fingerprint)
    version, *found = redis.hmget(key, ["version", "rpm", "tpm"])
    rpm, tpm = (None if value is None else int(value) for value in found)
    return None if version is None else TeamLimits(rpm=rpm, tpm=tpm)


def hand_over(redis_url: str, fingerprint: str, team: str | None, found: VersionedLimits) -> None:
    """Hand the limits of the team of an API key to Redis. Raises LimiterUnavailable.

    `team`: its name by the database; the one by which the workers keep their logs goes before it.
    """
    certificate_files.check_url("RUNNER_REDIS_URL", redis_url)
    try:
        with Redis.from_url(redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as redis:
            name = name_of_team(redis, fingerprint) or team or fingerprint
            its = NamedTeamLimits(team=name, found=found)
            redis.register_script(script(_SCRIPT))([its.key], its.arguments)
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error


class LimitsHandOver:
    """Hands limits to Redis on the connection of a worker."""

    def __init__(self, redis: AsyncRedis) -> None:
        self._take_over = redis.register_script(script(_SCRIPT))

    async def hand_over(self, limits: NamedTeamLimits) -> None:
        """Hand the limits of a team to Redis, which keeps newer ones. Raises LimiterUnavailable."""
        try:
            await self._take_over([limits.key], limits.arguments)
        except (RedisError, OSError) as error:
            raise LimiterUnavailable(error) from error
