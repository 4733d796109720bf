"""What a Redis is like that limits and queues are to be kept in, for people: a look that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.exceptions import RedisError

from runner.limiter.store import LimiterUnavailable
from runner.rules.advice import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_S: Final = 5.0


def look(redis_url: str) -> tuple[str, list[Advice]]:
    """Return the version, and what is not as it should be. Raises LimiterUnavailable."""
    try:
        with Redis.from_url(
            redis_url, socket_connect_timeout=_TIMEOUT_S, socket_timeout=_TIMEOUT_S
        ) as client:
            said: Any = client.info("server", "memory", "persistence", "replication")
            intervals: Any = _config(client, "save")
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error
    return str(said.get("redis_version", "version unknown")), list(_advice(said, intervals))


def _config(client: Redis, name: str) -> str | None:
    """Return a setting; None where the server does not tell (hosted ones often forbid CONFIG)."""
    try:
        said: Any = client.config_get(name)
    except RedisError:
        return None
    return str(said.get(name, ""))


def _advice(said: dict[str, Any], save: str | None) -> Iterator[Advice]:
    if said.get("role") == "slave":
        yield Advice("it is a replica, which takes no writes", "name the primary in RUNNER_REDIS_URL")
    policy = said.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Advice(
            f"it may throw keys away ({policy}), the limiter's log among them",
            "set maxmemory-policy to noeviction",
        )
    if save == "" and not said.get("aof_enabled"):
        yield Advice(
            "it keeps nothing over a restart; the limits are then rebuilt from the database",
            "set appendonly to yes",
        )
