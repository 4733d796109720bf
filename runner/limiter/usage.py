"""Read-only view of the usage of all buckets, for status screens."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis import Redis
from redis.exceptions import RedisError

from runner.limiter.hand_over_limits import read_handed_over
from runner.limiter.store import (
    CLOCK_KEY,
    EPOCH_KEY,
    LimiterUnavailable,
    read_view,
    script,
    state_and_log,
    view_keys,
)
from runner.limiter.team_names import name_of_team

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.limiter.limits import BucketView
    from runner.rules.sending.team_limits import TeamLimits

_TIMEOUT_S: Final = 1.0
_SCAN: Final = 500  # keys a step
_LOG: Final = ":log"


@dataclass(frozen=True, slots=True)
class BucketUsage:
    """One bucket: its model, its limits and their usage."""

    model: str
    view: BucketView


class UsageReader:
    """Reads the buckets of one team: that of the API key with `fingerprint`; None: of all teams.

    Belongs to one thread.
    """

    def __init__(self, redis_url: str, fingerprint: str | None, *, window_s: float = 60.0) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=None
        )
        self._fingerprint = fingerprint
        self._window_us = round(window_s * 1e6)
        self._view = self._redis.register_script(script("view"))

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def read(self) -> list[BucketUsage]:
        """Return the buckets used in the last two windows, by name. Raises LimiterUnavailable."""
        with _reported():
            if not self._redis.exists(EPOCH_KEY):
                return []
            team = name_of_team(self._redis, self._fingerprint) if self._fingerprint else None
            prefix = state_and_log(f"{team or '*'}:")[0]
            found = [name.decode() for name in self._redis.scan_iter(f"{_escaped(prefix)}*{_LOG}", _SCAN)]
            return [self._usage(name.removesuffix(_LOG)) for name in sorted(found)]

    def read_run(self, run: int) -> BucketView:
        """Return the limits that a run has for itself, and their usage. Raises LimiterUnavailable."""
        with _reported():
            return read_view(self._view(keys=view_keys(run), args=[self._window_us]))

    def read_team(self) -> TeamLimits | None:
        """Return the limits that were set for the team, as they bind now; None before they were handed over.

        Raises LimiterUnavailable.
        """
        with _reported():
            return read_handed_over(self._redis, self._fingerprint or "")

    def _usage(self, state: str) -> BucketUsage:
        reply = self._view(keys=[state, f"{state}{_LOG}", CLOCK_KEY], args=[self._window_us])
        return BucketUsage(state.rpartition(":")[2], read_view(reply))


@contextmanager
def _reported() -> Iterator[None]:
    """Raise LimiterUnavailable in place of the errors of Redis."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise LimiterUnavailable(error) from error


def _escaped(pattern: str) -> str:
    """Escape the characters of a Redis pattern, except `*`, which stands for all teams."""
    return "".join(f"\\{char}" if char in "[]?\\" else char for char in pattern)
