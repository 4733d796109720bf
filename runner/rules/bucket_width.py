"""The buckets in which the numbers of a run over time are kept: their width grows with the run's age."""

from __future__ import annotations

from typing import Final

# From this age of the run on, in seconds: the width in seconds. Each width divides the next one, and the day.
WIDTHS_S: Final = ((12 * 3_600, 600), (3_600, 60), (0, 10))
_SPAN_MIN_MS: Final = 30_000
_SPAN_MAX_MS: Final = 6 * 3_600_000


def width_s(at_s: int, started_s: int) -> int:
    """Return the width of the bucket for a time, in seconds; both times are in seconds since 1970 (UTC).

    The age counts at the beginning of the bucket, so that no wide bucket covers a narrow one. What was before
    the start of the run has the narrowest width. `db/sql/series_added.sql` has the same rule.
    """
    for age_s, width in WIDTHS_S:
        if at_s // width * width - started_s >= age_s:
            return width
    return WIDTHS_S[-1][1]


def lately_since_ms(now_ms: int, started_ms: int, last_started_ms: int) -> int:
    """Return when "lately" begins in a run, for its rate: at the beginning of a bucket, or at its last start.

    It is a fifth of the time since that start, from half a minute to six hours, and two buckets at least.
    `started_ms` is the first start; all times are in ms since 1970.
    """
    width_ms = width_s(now_ms // 1_000, started_ms // 1_000) * 1_000
    span_ms = max(_SPAN_MIN_MS, min((now_ms - last_started_ms) // 5, _SPAN_MAX_MS), 2 * width_ms)
    return max(last_started_ms, -(-(now_ms - span_ms) // width_ms) * width_ms)
