"""Scores, changes, chances and verdicts in words: the same on every screen and in every file."""

from __future__ import annotations

import math
from typing import Final

from runner.rules.counted import count

_NIGHTS_MOST: Final = 1_000_000  # a chance below once in so many is given as that


def percent(share: float) -> str:
    """Return a share (0 to 1) with one decimal: `81.2 %`; only all of it is 100 %."""
    return f"{min(100 * share, 99.9) if share < 1 else 100:.1f} %"


def points(difference: float) -> str:
    """Return a difference of two shares in points: `-4.6`; what is rounded to nothing is `+0.0`."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def points_change(change: float, low: float, high: float) -> str:
    """Return a change with its interval: `-4.6 points (-7.5 to -1.8)`."""
    return f"{points(change)} points ({points(low)} to {points(high)})"


def once_in_nights(p: float) -> str:
    """Return a probability as nights, with two digits: `once in 250 nights`."""
    nights = 1 / p if p * _NIGHTS_MOST > 1 else _NIGHTS_MOST
    if nights >= _NIGHTS_MOST:
        return f"less than once in {_NIGHTS_MOST:,} nights"
    digits = max(0, math.floor(math.log10(nights)) - 1)
    shown = int(round(nights, -digits))
    return f"once in {count(shown, 'night')}" if shown > 1 else "in most nights"


def verdict_words(verdict: str) -> str:
    """Return a verdict as it stands within a sentence: `not proven`."""
    return verdict.replace("_", " ")
