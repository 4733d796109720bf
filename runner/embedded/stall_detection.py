"""Stall detection: finds workers that run but send no heartbeat, such as frozen ones that hold locks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

STALLED_S: Final = 90.0  # longer than any wait for a lock of SQLite


class StallDetector:
    """Compares the stored heartbeats from check to check. Measures time by the engine's monotonic clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._last_changes: dict[int, tuple[int, float]] = {}  # by pid: heartbeat_ms, first seen at (s)

    def stalled(self, heartbeats_ms: Mapping[int, int], pids: Iterable[int]) -> list[int]:
        """Return which of `pids` have had the same heartbeat for more than STALLED_S seconds.

        `heartbeats_ms`: the stored heartbeat by pid. A pid without one is still starting and never returned.
        """
        now_s, stalled = self._now_s(), []
        for pid in pids:
            heartbeat_ms = heartbeats_ms.get(pid)
            if heartbeat_ms is None:
                continue
            last_ms, since_s = self._last_changes.get(pid, (None, now_s))
            if last_ms != heartbeat_ms:
                since_s = now_s
            self._last_changes[pid] = heartbeat_ms, since_s
            if now_s - since_s > STALLED_S:
                stalled.append(pid)
        return stalled
