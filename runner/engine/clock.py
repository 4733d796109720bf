"""The time that all hosts share: the database's, carried on by this machine's steady clock between looks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

JUMP_MS: Final = 2_000  # more than clocks drift between two looks
STEADY_AFTER_MS: Final = 15_000  # by then every living worker has given a sign of life by the new time
SLOW_LOOK_MS: Final = 1_000
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
OTHERS_LOOK_MS: Final = 15_000  # until then other processes may note the time from before a jump


class SharedClock:
    """`ask` reads the database's clock; `tick` is this machine's steady one, in ms, asleep or not.

    A wall clock that is set forward or back moves nothing before the next look, and the look says so.
    """

    def __init__(self, ask: Callable[[], int], tick: Callable[[], int] | None = None) -> None:
        self._ask, self._tick = ask, tick or _steady_ms
        self._ahead_ms = ask() - self._tick()
        self._last_ms = 0
        self._jumped_at = self._tick()
        self._jumps: list[tuple[int, int]] = []  # the last time noted before it, and by how much

    def now_ms(self) -> int:
        """Return the time; it never goes back, but for a jump that a look has found."""
        self._last_ms = max(self._last_ms, self._tick() + self._ahead_ms)
        return self._last_ms

    def look(self) -> int:
        """Look at the database's clock; return by how many ms it has jumped, 0 if it has not."""
        before = self._tick()
        found = self._ask()
        after = self._tick()
        if after - before > SLOW_LOOK_MS:  # it says too little about the time
            return 0
        ahead_ms = found - (before + after) // 2
        jump, old_ahead_ms = ahead_ms - self._ahead_ms, self._ahead_ms
        self._ahead_ms = ahead_ms
        if abs(jump) < JUMP_MS:
            return 0
        others_ms = min(jump // 2, OTHERS_LOOK_MS)
        self._jumps.append((after + old_ahead_ms + others_ms, jump))
        self._last_ms, self._jumped_at = 0, after
        return jump

    def since_s(self, at_ms: int) -> float:
        """Return how long ago a moment was that was noted by this clock, jumps of the time taken out."""
        jumped_ms = sum(jump for before_ms, jump in self._jumps if at_ms <= before_ms and jump > 0)
        return max(0, self.now_ms() - jumped_ms - at_ms) / 1000

    @property
    def is_steady(self) -> bool:
        """Say whether signs of life and leases can be compared with it: not soon after a jump or a start."""
        return self._tick() - self._jumped_at >= STEADY_AFTER_MS


def _steady_ms() -> int:
    return time.clock_gettime_ns(_CLOCK) // 1_000_000
