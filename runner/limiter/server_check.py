"""Read-only check of the Redis server that keeps limits and queues, for `runner doctor` and workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from runner import certificate_files
from runner.limiter.store import LimiterUnavailable
from runner.rules.advice import Advice
from runner.rules.counted import listed
from runner.rules.errors import UsageError
from runner.rules.servers.redis_errors import AWAY, CLUSTER, NO_RIGHTS, RENAMED, REPLICA, SENTINEL, fault_of
from runner.rules.servers.server_url import shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TIMEOUT_S: Final = 5.0
_SHOWN: Final = 4  # commands
# What the limiter's scripts, the reaper and Celery's transport call, each with one of its keys.
_NEEDED: Final = (
    *("INFO", "TIME", "SCRIPT LOAD x", "EVALSHA x 1 {runner}:epoch", "SCAN 0"),
    *("EXISTS {runner}:x", "GET {runner}:x", "SET {runner}:x x", "DEL {runner}:x", "PEXPIRE {runner}:x 1"),
    *("HGET {runner}:x x", "HMGET {runner}:x x", "HGETALL {runner}:x", "HDEL {runner}:x x"),
    *("HSET {runner}:x x x", "HSETNX {runner}:x x x"),
    *("ZADD {runner}:x 1 x", "ZCARD {runner}:x", "ZRANGE {runner}:x 0 1", "ZRANGEBYSCORE {runner}:x 0 1"),
    *("ZREM {runner}:x x", "ZREMRANGEBYSCORE {runner}:x 0 1", "ZSCORE {runner}:x x"),
    *("BRPOP reaper 1", "LPUSH notify.x x", "RPUSH notify.x x", "LLEN reaper"),
    *("SADD _kombu.binding.x x", "SMEMBERS _kombu.binding.x"),
    *("HSET unacked x x", "HGET unacked x", "HDEL unacked x", "ZADD unacked_index 1 x"),
    *("ZREM unacked_index x", "ZREVRANGEBYSCORE unacked_index 1 0", "SET unacked_mutex x"),
)


def inspect(redis_url: str) -> tuple[str, list[Advice]]:
    """Return the server's version, and an advice for each unsafe setting.

    Raises LimiterUnavailable where it cannot be worked with: it does not answer, takes no writes, is full, or
    its user lacks rights. Raises UsageError for a cluster or sentinel, and for a file of certificates that
    cannot be used.
    """
    certificate_files.check_url("RUNNER_REDIS_URL", redis_url)
    try:
        with Redis.from_url(
            redis_url, socket_connect_timeout=_TIMEOUT_S, socket_timeout=_TIMEOUT_S
        ) as client:
            refusals = _refusals(client)
            _check_rights(refusals, redis_url)
            info: Any = client.info()
            _check_role(info, redis_url)
            _check_state(refusals)
            save: Any = _config(client, "save")
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error
    return str(info.get("redis_version", "version unknown")), list(_advice(info, save))


def _check_role(info: dict[str, Any], redis_url: str) -> None:
    """Raise UsageError for a cluster or sentinel, LimiterUnavailable for a replica."""
    wrong = {"cluster": CLUSTER, "sentinel": SENTINEL}.get(info.get("redis_mode", ""))
    if wrong is not None:
        raise UsageError(f"Redis {wrong.state}: {shown_url(redis_url)}", fix=wrong.fix)
    if info.get("role") == "slave":
        raise LimiterUnavailable(shown_url(redis_url), REPLICA)


def _check_rights(refusals: Mapping[str, ResponseError], redis_url: str) -> None:
    """Raise LimiterUnavailable where commands were renamed, or the user may not give them."""
    for fault in (RENAMED, NO_RIGHTS):
        names = [name for name, error in refusals.items() if fault_of(str(error)) is fault]
        if names:
            user = urlsplit(redis_url).username or "default"
            cured = replace(fault, fix=fault.fix.format(user=user))
            raise LimiterUnavailable(f"it refuses {listed(names, _SHOWN)}", cured)


def _check_state(refusals: Mapping[str, ResponseError]) -> None:
    """Raise LimiterUnavailable where it takes no writes now: it is full, or cannot save its data."""
    for error in refusals.values():
        if fault_of(str(error)) is not AWAY:
            raise LimiterUnavailable(error)


def _refusals(client: Redis) -> dict[str, ResponseError]:
    """Return the commands that are refused now, in lower case, each with its error.

    They are queued in a transaction, where rights and room are checked, and then discarded: nothing is
    executed.
    """
    connection = client.connection_pool.get_connection()
    try:
        if error := _refusal(connection, "MULTI"):
            return {"multi": error}
        tried = [(words.split()[0].lower(), _refusal(connection, *words.split())) for words in _NEEDED]
        _refusal(connection, "DISCARD")
    finally:
        client.connection_pool.release(connection)
    return {name: error for name, error in tried if error is not None}


def _refusal(connection: Any, *words: str) -> ResponseError | None:
    connection.send_command(*words)
    try:
        connection.read_response()
    except ResponseError as error:
        return error
    return None


def _config(client: Redis, name: str) -> str | None:
    """Return a server setting; None where CONFIG is forbidden, as hosted servers often do."""
    try:
        values: Any = client.config_get(name)
    except RedisError:
        return None
    return str(values.get(name, ""))


def _advice(info: dict[str, Any], save: str | None) -> Iterator[Advice]:
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
