"""Estimate the speed of a run and when it ends, from the samples so far."""

from __future__ import annotations

from collections import deque
from itertools import islice, pairwise
from typing import Final

from runner.cli.render.progress import Throughput

_WINDOW_S: Final = 30.0
_WINDOW_SHARE: Final = 0.2  # of the time watched so far: the window grows with the run
_SPAN_MIN_S: Final = 3.0
_ENDED_MIN: Final = 10  # before that a forecast means nothing
_STEP_S: Final = 0.2
_PARTS: Final = 3
_MINUTE_S: Final = 60.0
_KEPT_MAX: Final = 1_000
_ROUNDING_S: Final = ((60, 5), (600, 10), (3600, 60), (86400, 600))


class ThroughputEstimator:
    """Takes samples of (time in seconds, jobs ended) in the order of time."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._first_s: float | None = None

    def add(self, at_s: float, ended: int) -> None:
        """Record how many jobs have ended by now."""
        if self._first_s is None:
            self._first_s = at_s
        if self._samples and at_s - self._samples[-1][0] < _STEP_S:
            return
        self._samples.append((at_s, ended))
        oldest_s = at_s - max(_WINDOW_S, (at_s - self._first_s) * _WINDOW_SHARE)
        while len(self._samples) > 2 and self._samples[1][0] <= oldest_s:
            self._samples.popleft()

    def rate(self) -> float | None:
        """Return jobs ended per second lately; None while too few have ended."""
        if not self._samples:
            return None
        (from_s, before), (to_s, after) = self._samples[0], self._samples[-1]
        if to_s - from_s < _SPAN_MIN_S or after - before < _ENDED_MIN:
            return None
        return (after - before) / (to_s - from_s)

    def eta_s(self, left: int) -> tuple[int, int] | None:
        """Return the seconds until `left` more jobs have ended, from and to; None while the rate is unknown.

        The range is as wide as the rate varied lately, and rounded more coarsely for longer times.
        """
        rate = self.rate()
        if rate is None:
            return None
        slow, fast = self._spread(rate)
        low, high = _rounded(max(left, 0) / fast), _rounded(max(left, 0) / slow)
        return low, max(low, high)

    def estimate(self, left: int) -> Throughput:
        """Return the rate, and the time until `left` more jobs have ended."""
        return Throughput(self.rate(), self.eta_s(left))

    def _spread(self, rate: float) -> tuple[float, float]:
        """Return the rates of the slowest and the fastest third, within half and twice that of all."""
        points = list(self._samples)
        cuts = [points[len(points) * n // _PARTS] for n in range(_PARTS)] + [points[-1]]
        parts = [
            (after - before) / (to_s - from_s)
            for (from_s, before), (to_s, after) in pairwise(cuts)
            if to_s > from_s
        ]
        return max(min(parts, default=rate), rate / 2), min(max(parts, default=rate), rate * 2)


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


def _rounded(exact_s: float) -> int:
    step = next((step for below, step in _ROUNDING_S if exact_s < below), 3600)
    return int(-(-exact_s // step) * step)
