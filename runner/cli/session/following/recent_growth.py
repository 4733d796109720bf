"""By how much a number has grown within the last minute."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

_MINUTE_S: Final = 60.0
_KEPT_MAX: Final = 1_000


class RecentGrowth:
    """Measures by how much a number has grown within the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, at_s: float, number: int) -> int:
        """Record the present number; return by how much it has grown within the last minute."""
        self._samples.append((at_s, number))
        while len(self._samples) > 1 and self._samples[1][0] <= at_s - _MINUTE_S:
            self._samples.popleft()
        if len(self._samples) > _KEPT_MAX:  # every second sample is precise enough
            self._samples = deque([*islice(self._samples, 0, None, 2)])
        return number - self._samples[0][1]
