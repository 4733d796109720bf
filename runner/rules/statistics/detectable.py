"""The drop that a suite can see: the minimum detectable effect, one-sided, in 8 of 10 nights."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from runner.rules.statistics import student_t

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_POWER: Final = 0.8


def detectable_effect(standard_error: float, alpha: float, df: int | None = None) -> float:
    """Return the true drop that is found with a probability of 0.8 where a share `alpha` may alarm falsely.

    `standard_error` is that of the difference; the drop is in its unit. `df`: degrees of freedom of a test by
    t, None for one that is exact. With 0 of them no drop is found: it is infinite.
    """
    if df == 0:
        return math.inf
    return (_quantile(1 - alpha, df) + _quantile(_POWER, df)) * standard_error


def detectable_drop(
    *,
    items: int,
    epochs: int,
    nights: int,
    p: float,
    alpha: float,
    design: float = 1.0,
    df: int | None = None,
) -> float:
    """Return the detectable drop (0 to 1) of a suite without a history, by the rate `p` of right answers.

    `items`, `epochs` and `nights` (of the baseline) are at least 1. All items are taken to be as hard as each
    other, which is the worst case: with items that are always right, or always wrong, less can be seen.
    Where items are in clusters, `design` is their design effect, and `df` is as in `detectable_effect`.
    """
    units = items / design
    variance = max(p * (1 - p), _least_variance(units * epochs)) * (1 / epochs + 1 / (nights * epochs))
    return min(1.0, detectable_effect(math.sqrt(variance / units), alpha, df))


def design_effect(cluster_sizes: Sequence[int]) -> float:
    """Return how much the variance of a mean grows where all items of a cluster rise and fall as one.

    `cluster_sizes` has the number of items of each cluster, 1 for an item that is in none.
    """
    return sum(size * size for size in cluster_sizes) / sum(cluster_sizes)


def detectable_from_scores(
    base: Iterable[tuple[int, float, float]], epochs: float, *, alpha: float, noise: float = 1.0
) -> float:
    """Return the detectable drop (0 to 1), by the scores that the items had in the nights before.

    `base` has for each item how many scores there are (at least one item has two), their sum, and the sum of
    their squares. `epochs` is how many answers an item gets in a night, `noise` the variance of nights.
    """
    found = [(n, (squares - total * total / n) / (n - 1)) for n, total, squares in base if n > 1]
    least = _least_variance(len(found) * epochs)
    mean = max(math.fsum(variance for _, variance in found) / len(found), least)
    answers = math.fsum(1 / epochs + 1 / n for n, _ in found) / len(found)
    return min(1.0, detectable_effect(math.sqrt(noise * mean * answers / len(found)), alpha))


def _least_variance(answers: float) -> float:
    """Return the variance of an answer where all answers seen were right, and one that was not is added."""
    return (answers + 1) / (answers + 2) ** 2


def _quantile(share: float, df: int | None) -> float:
    return NormalDist().inv_cdf(share) if df is None else student_t.quantile(share, df)
