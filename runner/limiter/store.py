"""Redis client of the limiter: its keys, its scripts, and the one error for all their failures."""

from __future__ import annotations

import json
import logging
import uuid
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from runner import certificate_files
from runner.limiter.limits import BucketView
from runner.rules.errors import Unreachable
from runner.rules.servers.redis_errors import fault_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from runner.rules.sending.team_limits import VersionedLimits
    from runner.rules.servers.redis_errors import RedisFault

BucketName: TypeAlias = "str | int"  # of a team and a model, or the id of a run with limits of its own
Entries: TypeAlias = "Mapping[BucketName, Sequence[tuple[int, int]]]"  # per bucket (age_us, tokens)

EPOCH_KEY: Final = "{runner}:epoch"
CLOCK_KEY: Final = "{runner}:clock"
_PARTS: Final = {  # files that a script needs before it
    "round_trip": ("sliding_log", "model_limits"),
    "restore": ("versioned_limits",),
    "team_limits": ("versioned_limits",),
}
TIMEOUT_S: Final = 5.0
log = logging.getLogger("runner.limiter")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTeamLimits:
    """The limits in force of a team, with its name; `found` has their version, too."""

    team: str
    found: VersionedLimits

    @property
    def key(self) -> str:
        """Return the name of the key that has them (common.lua)."""
        return team_key(self.team)

    @property
    def arguments(self) -> tuple[str, str, str]:
        """Return them as the scripts take them (team_limits.lua)."""
        limits = self.found.limits
        rpm, tpm = ("" if one is None else str(one) for one in (limits.rpm, limits.tpm))
        return str(self.found.version), rpm, tpm


class LimiterUnavailable(Unreachable):
    """Redis cannot be reached or cannot answer: nothing may be sent."""

    def __init__(self, cause: str | Exception, fault: RedisFault | None = None) -> None:
        """Take what is wrong from the words of `cause`, unless `fault` says it."""
        reason = (str(cause) or type(cause).__name__).rstrip(".")
        found = fault or fault_of(reason)
        super().__init__(f"Redis {found.state}: {reason}", fix=found.fix.format(user="USER"))


def connect(redis_url: str) -> Redis:
    """Return a lazy connection pool that never repeats a command: a slot would be taken twice.

    Raises UsageError for a file of certificates that cannot be used.
    """
    certificate_files.check_url("RUNNER_REDIS_URL", redis_url)
    return Redis.from_url(
        redis_url,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def script(name: str) -> str:
    """Return the text of a script of this package, with the functions that all scripts share before it."""
    here = resources.files(__package__)
    parts = ("common", *_PARTS.get(name, ()), name)
    return "\n".join(here.joinpath(f"{part}.lua").read_text("utf-8") for part in parts)


class Store:
    """Runs the limiter's scripts. `window_s` and `second_s`: the API's two windows (tests shorten them).

    Each call raises LimiterUnavailable when Redis fails; `is_available` is whether the last one did not.
    """

    def __init__(self, redis: Redis, *, window_s: float, second_s: float) -> None:
        self._redis = redis
        self.is_available = True
        self._window_us = round(window_s * 1e6)
        self._second_us = round(second_s * 1e6)
        self._round_trip = self._redis.register_script(script("round_trip"))
        self._restore = self._redis.register_script(script("restore"))
        self._view = self._redis.register_script(script("view"))

    async def round_trip(self, bucket: str, message: dict[str, Any], runs: Sequence[int]) -> list[Any] | None:
        """Send updates and slot requests to a model's bucket; return the reply (round_trip.lua).

        `runs`: those with limits of their own that the message is about, in its order. None: Redis was
        emptied.
        """
        windows = {"window_us": self._window_us, "second_us": self._second_us}
        reply = await self._execute(
            self._round_trip(round_trip_keys(bucket, runs), [json.dumps(windows | message)])
        )
        return None if reply[0] == b"empty" else reply[1:]

    async def is_whole(self) -> bool:
        """Return whether the logs are complete; they are not after Redis was emptied."""
        return bool(await self._execute(self._redis.exists(EPOCH_KEY)))

    async def restore(self, entries: Entries, team_limits: NamedTeamLimits) -> None:
        """Fill emptied logs and set the team's limits again, unless another process did it meanwhile."""
        keys, arguments = restore_call(entries, team_limits, self._window_us)
        await self._execute(self._restore(keys, arguments))

    async def view(self, bucket: BucketName) -> BucketView:
        """Return a bucket's limits and usage."""
        return read_view(await self._execute(self._view(view_keys(bucket), [self._window_us])))

    async def _execute(self, answer: Awaitable[Any]) -> Any:
        try:
            found = await answer
        except (RedisError, OSError) as error:
            unavailable = LimiterUnavailable(error)
            if self.is_available:  # one line an outage: it is asked again twice a second
                log.warning("limiter.unavailable cause=%s", unavailable)
            self.is_available = False
            raise unavailable from error
        if not self.is_available:
            log.warning("limiter.available")
        self.is_available = True
        return found


def state_and_log(bucket: BucketName) -> tuple[str, str]:
    """Return the names of a bucket's two keys (common.lua)."""
    state = f"{{runner}}:run:{bucket}" if isinstance(bucket, int) else f"{{runner}}:limit:{bucket}"
    return state, f"{state}:log"


def restore_call(
    entries: Entries, team_limits: NamedTeamLimits, window_us: int
) -> tuple[list[str], list[str]]:
    """Return the keys and the arguments of restore.lua."""
    keys = [key for bucket in entries for key in state_and_log(bucket)]
    logs = [json.dumps(list(log)) for log in entries.values()]
    arguments = [uuid.uuid4().hex, str(window_us), *team_limits.arguments, *logs]
    return [EPOCH_KEY, CLOCK_KEY, team_limits.key, *keys], arguments


def team_key(team: str) -> str:
    """Return the name of the key with the limits that were set for a team (common.lua)."""
    return f"{{runner}}:team:{team}"


def round_trip_keys(bucket: str, runs: Sequence[int]) -> list[str]:
    """Return the keys of round_trip.lua. The name of a model's bucket begins with its team."""
    team = bucket.rpartition(":")[0]
    own = [key for run in runs for key in state_and_log(run)]
    return [EPOCH_KEY, CLOCK_KEY, *state_and_log(bucket), team_key(team), *own]


def view_keys(bucket: BucketName) -> list[str]:
    """Return the keys of view.lua."""
    return [*state_and_log(bucket), CLOCK_KEY]


def read_view(reply: Sequence[int]) -> BucketView:
    """Parse the reply of view.lua."""
    rpm, tpm, rps, requests, tokens, pause_us, percent = reply
    return BucketView(
        rpm=rpm or None,
        tpm=tpm or None,
        rps=rps or None,
        requests=requests,
        tokens=tokens,
        paused_s=pause_us / 1e6,
        share=percent / 100,
    )
