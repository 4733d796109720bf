"""How fast a run goes and when it may be done, from what was seen of it. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

_WINDOW_S: Final = 30.0
_WINDOW_SHARE: Final = 0.2  # of the time watched so far: long runs are judged over longer stretches
_SPAN_MIN_S: Final = 3.0
_ENDED_MIN: Final = 10  # before that a forecast means nothing
_STEP_S: Final = 0.2
_ROUNDING_S: Final = ((60, 5), (600, 10), (3600, 60), (86400, 600))


class Pace:
    """Takes (time in seconds, jobs ended) as they come; the time never goes back."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._first_s: float | None = None

    def add(self, at_s: float, ended: int) -> None:
        """Note how many jobs have ended by now."""
        if self._first_s is None:
            self._first_s = at_s
        if self._seen and at_s - self._seen[-1][0] < _STEP_S:
            return
        self._seen.append((at_s, ended))
        oldest_s = at_s - max(_WINDOW_S, (at_s - self._first_s) * _WINDOW_SHARE)
        while len(self._seen) > 2 and self._seen[1][0] <= oldest_s:
            self._seen.popleft()

    def rate(self) -> float | None:
        """Give jobs ended per second lately; None while that means nothing."""
        if not self._seen:
            return None
        (from_s, before), (to_s, after) = self._seen[0], self._seen[-1]
        if to_s - from_s < _SPAN_MIN_S or after - before < _ENDED_MIN:
            return None
        return (after - before) / (to_s - from_s)

    def eta_s(self, left: int) -> int | None:
        """Give the seconds until `left` more jobs have ended, rounded as coarsely as it is known."""
        rate = self.rate()
        if rate is None:
            return None
        exact = max(left, 0) / rate
        step = next((step for below, step in _ROUNDING_S if exact < below), 3600)
        return int(-(-exact // step) * step)
