"""The drop that a suite can see: the minimum detectable effect, one-sided, in 8 of 10 nights."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ALPHA: Final = 1 / 90  # one false alarm in 90 unchanged nights
_POWER: Final = 0.8


def detectable_effect(standard_error: float, alpha: float = ALPHA) -> float:
    """Return the true drop that is found with a probability of 0.8 where a share `alpha` may alarm falsely.

    `standard_error` is that of the difference; the drop is in its unit.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(_POWER)) * standard_error


def detectable_drop(*, items: int, epochs: int, nights: int, p: float, alpha: float = ALPHA) -> float:
    """Return the detectable drop (0 to 1) of a suite without a history, by the rate `p` of right answers.

    `items`, `epochs` and `nights` (of the baseline) are at least 1. All items are taken to be as hard as each
    other, which is the worst case: with items that are always right, or always wrong, less can be seen.
    """
    variance = max(p * (1 - p), _least_variance(items * epochs)) * (1 / epochs + 1 / (nights * epochs))
    return min(1.0, detectable_effect(math.sqrt(variance / items), alpha))


def detectable_from_scores(
    base: Iterable[tuple[int, float, float]], epochs: float, *, alpha: float = ALPHA, noise: float = 1.0
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
