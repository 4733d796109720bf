"""The limiter's script, called directly, and a brute-force model of a strict server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runner.limiter.store import NamedTeamLimits, restore_call, round_trip_keys, script, state_and_log
from runner.rules.sending.team_limits import VersionedLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

WINDOW_US = 60_000_000
SECOND_US = 1_000_000
MARGIN = 0.97
_, CLOCK, STATE, LOG, TEAM = round_trip_keys("team:b", [])
NOTHING_SET = NamedTeamLimits(team="team", found=VersionedLimits())


async def nothing_set() -> NamedTeamLimits:
    """Return the limits of a team for which none were set."""
    return NOTHING_SET


class Script:
    """Calls the script for bucket `b` of `team`; reads logs as (time_us, tokens), oldest first.

    In what is wanted, confirmed, settled and released, runs are named by their places in `runs`.
    """

    def __init__(self, client: Redis) -> None:
        self.client = client
        self._round_trip = client.register_script(script("round_trip"))
        self._restore = client.register_script(script("restore"))
        self.calls = 0

    def start(self, *, sent: Sequence[tuple[int, int]] = (), **of_runs: Sequence[tuple[int, int]]) -> None:
        """Begin with an empty Redis whose logs are rebuilt: `sent`, and of a run 7 `r7`."""
        self.client.flushdb()
        own: dict[str | int, Sequence[tuple[int, int]]] = {
            int(name[1:]): entries for name, entries in of_runs.items()
        }
        self._restore(*restore_call({"team:b": sent, **own}, NOTHING_SET, WINDOW_US))

    def call(
        self,
        *,
        rpm: int = 0,
        tpm: int = 0,
        rps: int = -1,
        wanted: Sequence[int | tuple[int, int]] = (),
        runs: Sequence[tuple[int, int, int]] = (),
        **fields: Any,
    ) -> list[Any]:
        """Call it once; `runs` are (id, rpm, tpm), `wanted` are tokens or (tokens, run)."""
        self.calls += 1
        message: dict[str, Any] = {
            "window_us": WINDOW_US,
            "second_us": SECOND_US,
            "horizon_us": 3600_000_000,
            "fallback_limits": {"rpm": rpm, "tpm": tpm, "rps": rps},
            "announced": {"rpm": -1, "tpm": -1},
            "pause_us": 0,
            "rate_limited": False,
            "polls": 0,
            "polls_refused": 0,
            "confirm": [],
            "settle": [],
            "release": [],
            "call_id": f"p-{self.calls}",
        }
        message["wanted"] = wanted
        message["runs"] = runs
        keys = round_trip_keys("team:b", [run for run, _, _ in runs])
        reply: Any = self._round_trip(keys, [json.dumps(message | fields)])
        return list(reply)

    def members(self, run: int | None = None) -> list[tuple[str, int]]:
        """Return (member, time_us) of the bucket's log, or of that of a run."""
        log = LOG if run is None else state_and_log(run)[1]
        found: Any = self.client.zrange(log, 0, -1, withscores=True)
        return [(member.decode(), int(at)) for member, at in found]

    def log(self, run: int | None = None) -> list[tuple[int, int]]:
        """Return (time_us, tokens) of the same."""
        return [(at, int(member.rpartition(":")[2])) for member, at in self.members(run)]


def strict_overruns(log: list[tuple[int, int]], *, window_us: int, requests: int, tokens: int) -> int:
    """Return how many requests a strict sliding window refuses if each arrives at its time."""
    refused = 0
    for nth, (at, _) in enumerate(log):
        inside = [size for when, size in log[: nth + 1] if when > at - window_us]
        refused += (requests > 0 and len(inside) > requests) or (tokens > 0 and sum(inside) > tokens)
    return refused
