"""The speed of a run and when it ends, from the buckets of time that its jobs ended in lately."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPAN_MIN_S: Final = 3.0
_ENDED_MIN: Final = 10  # before that a forecast means nothing
_PARTS: Final = 3
_ROUNDING_S: Final = ((60, 5), (600, 10), (3600, 60), (86400, 600))

Point = tuple[float, float]  # a time in seconds, and the jobs that have ended by then


class Throughput(NamedTuple):
    """Jobs ended per second, and seconds to go, from and to; each None while it is not known."""

    jobs_per_s: float | None = None
    eta_s: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedLately:
    """The jobs that ended from `since_ms` on: (begin_ms, width_s, jobs) of buckets, in the order of time.

    A bucket ends with the whole width of the clock in which it begins. Jobs that were sent again are taken
    off, so a number may be negative.
    """

    since_ms: int
    buckets: Sequence[tuple[int, int, int]]

    def throughput(self, now_ms: int, left: int) -> Throughput:
        """Return the rate since then, and the time until `left` more jobs have ended.

        The range is as wide as the rate varied lately, and rounded more coarsely for longer times.
        """
        points = self._points(now_ms)
        span_s, ended = points[-1]
        if span_s < _SPAN_MIN_S or ended < _ENDED_MIN:
            return Throughput()
        rate = ended / span_s
        slow, fast = _spread(points, rate)
        low, high = _rounded(max(left, 0) / fast), _rounded(max(left, 0) / slow)
        return Throughput(rate, (low, max(low, high)))

    def _points(self, now_ms: int) -> list[Point]:
        """Return how many had ended by the end of each bucket, and by now; seconds count from `since_ms`."""
        points: list[Point] = [(0.0, 0.0)]
        for begin_ms, width_s, ended in self.buckets:
            if begin_ms > now_ms:  # the clock was set back
                break
            width_ms = width_s * 1_000
            for at_ms, more in ((begin_ms, 0), (min(now_ms, (begin_ms // width_ms + 1) * width_ms), ended)):
                at_s, before = points[-1]
                points.append((max(at_s, (at_ms - self.since_ms) / 1_000), before + more))
        at_s, total = points[-1]
        return [*points, (max(at_s, (now_ms - self.since_ms) / 1_000), total)]


def _spread(points: Sequence[Point], rate: float) -> tuple[float, float]:
    """Return the rates of the slowest and the fastest third, within half and twice that of all."""
    span_s = points[-1][0]
    cuts = [_ended_by(points, span_s * part / _PARTS) for part in range(_PARTS + 1)]
    parts = [(after - before) * _PARTS / span_s for before, after in pairwise(cuts)]
    return max(min(parts), rate / 2), min(max(parts), rate * 2)


def _ended_by(points: Sequence[Point], at_s: float) -> float:
    """Return how many had ended by a time: evenly between two points."""
    for (from_s, before), (to_s, after) in pairwise(points):
        if at_s <= to_s and to_s > from_s:
            return before + (after - before) * max(0.0, at_s - from_s) / (to_s - from_s)
    return points[-1][1]


def _rounded(exact_s: float) -> int:
    step = next((step for below, step in _ROUNDING_S if exact_s < below), 3600)
    return int(-(-round(exact_s, 6) // step) * step)
