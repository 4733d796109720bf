"""Corrections of p-values where several questions are asked at once."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: of those that are at most x, any is a false alarm with probability x."""
    n = len(p_values)
    order = sorted(range(n), key=p_values.__getitem__)
    steps = ((n - rank) * p_values[place] for rank, place in enumerate(order))
    return _in_place(order, accumulate(steps, max))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: of those that are at most x, a share of x is false alarms on average."""
    n = len(p_values)
    order = sorted(range(n), key=p_values.__getitem__, reverse=True)
    steps = (n / (n - rank) * p_values[place] for rank, place in enumerate(order))
    return _in_place(order, accumulate(steps, min))


def _in_place(order: Sequence[int], adjusted: Iterable[float]) -> list[float]:
    """Return values that are given in an order of places, each at its place and at most 1."""
    found = [0.0] * len(order)
    for place, p in zip(order, adjusted, strict=True):
        found[place] = min(1.0, p)
    return found
