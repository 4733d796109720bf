"""Read-only check of the Redis server that keeps limits and queues, for `runner doctor` and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.exceptions import RedisError

from runner import certificate_files
from runner.limiter.store import LimiterUnavailable
from runner.rules.advice import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_S: Final = 5.0


def inspect(redis_url: str) -> tuple[str, list[Advice]]:
    """Return the server's version, and an advice for each unsafe setting. Raises LimiterUnavailable.

    Raises UsageError for a file of certificates that cannot be used.
    """
    certificate_files.check_url("RUNNER_REDIS_URL", redis_url)
    try:
        with Redis.from_url(
            redis_url, socket_connect_timeout=_TIMEOUT_S, socket_timeout=_TIMEOUT_S
        ) as client:
            info: Any = client.info("server", "memory", "persistence", "replication")
            save: Any = _config(client, "save")
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error
    return str(info.get("redis_version", "version unknown")), list(_advice(info, save))


def _config(client: Redis, name: str) -> str | None:
    """Return a server setting; None where CONFIG is forbidden, as hosted servers often do."""
    try:
        values: Any = client.config_get(name)
    except RedisError:
        return None
    return str(values.get(name, ""))


def _advice(info: dict[str, Any], save: str | None) -> Iterator[Advice]:
    if info.get("role") == "slave":
        yield Advice("it is a replica, which takes no writes", "name the primary in RUNNER_REDIS_URL")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Advice(
            f"it may throw keys away ({policy}), the limiter's log among them",
            "set maxmemory-policy to noeviction",
        )
    if save == "" and not info.get("aof_enabled"):
        yield Advice(
            "it keeps nothing over a restart; the limits are then rebuilt from the database",
            "set appendonly to yes",
        )
