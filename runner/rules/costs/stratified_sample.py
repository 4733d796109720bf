"""Estimates how many of a known number are of each kind, from the first ones of windows of equal length."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = TypeVar("Kind")


def apportioned(total: int, windows: Sequence[Mapping[Kind, int]], rows_max: int) -> dict[Kind, int]:
    """Return how many of `total` are of each kind that was seen; together they are `total`.

    `windows`: what was seen in each window, by kind. One with fewer than `rows_max` was seen whole. The
    others have the rest, in equal parts, each as its first ones are. Nothing seen: {}.
    """
    weights: Counter[Kind] = Counter()
    full = [window for window in windows if sum(window.values()) >= rows_max]
    whole = [window for window in windows if sum(window.values()) < rows_max]
    for window in whole:
        weights.update(window)
    rest = max(0, total - weights.total())
    shares: dict[Kind, float] = {kind: float(n) for kind, n in weights.items()}
    for window in full:
        for kind, n in window.items():
            shares[kind] = shares.get(kind, 0) + rest / len(full) * n / sum(window.values())
    return _rounded(total, shares)


def _rounded(total: int, shares: Mapping[Kind, float]) -> dict[Kind, int]:
    """Return shares as whole numbers, the largest one with what makes their sum `total`; each at least 1."""
    found = {kind: max(1, round(share)) for kind, share in shares.items()}
    if found:
        largest = max(found, key=lambda kind: found[kind])
        found[largest] += total - sum(found.values())
    return found
