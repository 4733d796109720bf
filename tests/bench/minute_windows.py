"""How many events are in any window of a minute."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW_S: Final = 60.0


def fewest_and_most(times_s: Sequence[float], ends_s: float, window_s: float = WINDOW_S) -> tuple[int, int]:
    """Return the smallest and the largest number of events in a window that ends by `ends_s`.

    `times_s` are in order; the first window begins with the first of them. (0, 0) where no window fits.
    """
    fewest, most = len(times_s), 0
    for nth, at in enumerate(times_s):
        if at + window_s > ends_s:
            break
        inside = bisect_left(times_s, at + window_s) - nth
        most = max(most, inside)
        fewest = min(fewest, inside - 1)  # a window that begins just after this event
    return (fewest, most) if most else (0, 0)
