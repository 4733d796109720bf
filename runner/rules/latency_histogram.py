"""Histogram of latencies in buckets that grow by 10 %: small, mergeable by adding, accurate to 5 %."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_S: Final = 0.01  # everything faster falls into bucket 000
LAST_S: Final = 1e6
GROWTH: Final = 1.1


def bucket_of(seconds: float) -> str:
    """Return the name of a latency's bucket: three digits that sort as the latencies do."""
    within = min(max(seconds, FIRST_S), LAST_S)
    return f"{math.floor(math.log(within / FIRST_S, GROWTH)):03}"


def percentile_s(buckets: Mapping[str, int], share: float) -> float | None:
    """Return the latency in seconds that `share` (0 to 1) of the counted ones do not exceed; None if empty.

    It is the geometric middle of the bucket, so at most 5 % off between 0.01 s and 11 days.
    """
    counts = sorted((bucket, n) for bucket, n in buckets.items() if n > 0)
    left = share * sum(n for _, n in counts)
    for bucket, n in counts:
        left -= n
        if left <= 0:
            return float(FIRST_S * GROWTH ** (int(bucket) + 0.5))
    return None
