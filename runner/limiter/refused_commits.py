"""What workers report in Redis when the database refuses their writes: the database cannot keep that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from redis import Redis
from redis.exceptions import RedisError

from runner.limiter.store import LimiterUnavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis as AsyncRedis

KEY: Final = "{runner}:refused_commits"  # a report for each worker that is refused, by its node
KEPT_MS: Final = 30_000  # after the last report, should a worker die before it withdraws its own
_TIMEOUT_S: Final = 1.0


class CommitRefusal(NamedTuple):
    """What is wrong with the database, and the cure, as one worker or several see it since a moment."""

    what: str
    fix: str
    since_ms: int
    workers: int = 1


async def report(redis: AsyncRedis, node: str, refusal: CommitRefusal) -> None:
    """Report what a worker met. Raises LimiterUnavailable."""
    try:
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(KEY, node, _written(refusal))
            pipeline.pexpire(KEY, KEPT_MS)
            await pipeline.execute()
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error


async def withdraw(redis: AsyncRedis, node: str) -> None:
    """Remove the report of a worker. Raises LimiterUnavailable."""
    try:
        await redis.hdel(KEY, node)
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error


def report_start(redis_url: str, node: str, refusal: CommitRefusal) -> None:
    """Report the same of a worker that could not start; its first report stays. Raises LimiterUnavailable."""
    try:
        with _client(redis_url) as redis:
            redis.hsetnx(KEY, node, _written(refusal))
            redis.pexpire(KEY, KEPT_MS)
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error


def read(redis_url: str) -> CommitRefusal | None:
    """Return the oldest refusal that is reported, with the number of workers; None without one.

    Raises LimiterUnavailable.
    """
    try:
        with _client(redis_url) as redis:
            reports: Any = redis.hgetall(KEY)
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error
    found = [CommitRefusal(*json.loads(report)) for report in reports.values()]
    oldest = min(found, key=lambda refusal: refusal.since_ms, default=None)
    return None if oldest is None else oldest._replace(workers=len(found))


def _client(redis_url: str) -> Redis:
    return Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=None)


def _written(refusal: CommitRefusal) -> str:
    return json.dumps([refusal.what, refusal.fix, refusal.since_ms])
