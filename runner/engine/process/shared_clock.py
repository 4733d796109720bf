"""The time that all hosts share: the database's, carried on by the steady clock between two reads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

JUMP_MS: Final = 2_000  # more than clocks drift between two reads
STEADY_AFTER_MS: Final = 15_000  # by then every living worker has sent a heartbeat with the new time
SLOW_READ_MS: Final = 1_000
OVERDUE_MS: Final = 20_000  # since the last resync: this process was frozen, or its machine slept
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
OTHERS_RESYNC_MS: Final = 15_000  # until then other processes may record the time from before a jump


class SharedClock:
    """`read` returns the database's time, `tick` this machine's steady time; both in ms. `tick` counts sleep.

    A wall clock that is set forward or back changes nothing until the next `resync`, which reports the jump.
    """

    def __init__(self, read: Callable[[], int], tick: Callable[[], int] | None = None) -> None:
        self._read, self._tick = read, tick or _steady_ms
        self._offset_ms = read() - self._tick()
        self._last_ms = 0
        self._jumped_at = self._resynced_at = self._tick()
        self._jumps: list[tuple[int, int]] = []  # (last time before the jump, its size)

    def now_ms(self) -> int:
        """Return the time in ms since 1970. It goes back only by a jump that `resync` found."""
        self._last_ms = max(self._last_ms, self._tick() + self._offset_ms)
        return self._last_ms

    def resync(self) -> int:
        """Read the database's clock; return the ms by which it jumped, 0 if it did not."""
        before = self._tick()
        found = self._read()
        after = self._tick()
        if self._is_overdue(before):  # so may others be that live: they need time for a heartbeat
            self._jumped_at = after
        self._resynced_at = after
        if after - before > SLOW_READ_MS:  # too slow a reply to set a clock by
            return 0
        offset_ms = found - (before + after) // 2
        jump, old_offset_ms = offset_ms - self._offset_ms, self._offset_ms
        self._offset_ms = offset_ms
        if abs(jump) < JUMP_MS:
            return 0
        others_ms = min(jump // 2, OTHERS_RESYNC_MS)
        self._jumps.append((after + old_offset_ms + others_ms, jump))
        self._last_ms, self._jumped_at = 0, after
        return jump

    def since_s(self, at_ms: int) -> float:
        """Return the seconds since a moment that this clock recorded, without the jumps between."""
        jumped_ms = sum(jump for before_ms, jump in self._jumps if at_ms <= before_ms and jump > 0)
        return max(0, self.now_ms() - jumped_ms - at_ms) / 1000

    @property
    def is_steady(self) -> bool:
        """Return whether heartbeats and leases can be compared with it.

        Not soon after a start, a jump, a sleep of the machine or a freeze, which hold up the heartbeats of
        workers that live.
        """
        now = self._tick()
        return now - self._jumped_at >= STEADY_AFTER_MS and not self._is_overdue(now)

    def _is_overdue(self, tick_ms: int) -> bool:
        return tick_ms - self._resynced_at > OVERDUE_MS


def _steady_ms() -> int:
    return time.clock_gettime_ns(_CLOCK) // 1_000_000
