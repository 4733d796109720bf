"""Two sides measured on the same items: the difference of their means, and how probable it is."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from runner.rules.statistics import student_t
from runner.rules.statistics.intervals import (
    Interval,
    MeanError,
    least_reach,
    mean_error,
    t_reach,
)
from runner.rules.statistics.stratified_test import Stratum, Tails, exact_tails

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Paired(NamedTuple):
    """One item: how many answers of each side were scored (at least one), and the sums of their scores.

    Sums of scores that are all 0 or 1 are of type int, others are of type float.
    """

    answers: int
    score_sum: float
    base_answers: int
    base_score_sum: float

    @property
    def delta(self) -> float:
        """Return the item's mean score less the one of the base."""
        return self.score_sum / self.answers - self.base_score_sum / self.base_answers

    @property
    def is_binary(self) -> bool:
        """Return whether all scores are 0 or 1."""
        return isinstance(self.score_sum, int) and isinstance(self.base_score_sum, int)

    @property
    def stratum(self) -> Stratum:
        """Return the item of binary scores as a stratum of the exact test."""
        return Stratum(self.answers, self.base_answers, int(self.score_sum + self.base_score_sum))


def strata_of(pairs: Iterable[Paired]) -> tuple[Counter[Stratum], int]:
    """Return the strata of items with binary scores, counted, and the successes of the first side."""
    strata: Counter[Stratum] = Counter()
    successes = 0
    for pair in pairs:
        strata[pair.stratum] += 1
        successes += int(pair.score_sum)
    return strata, successes


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two sides say about each other. `tails.lower` is small where the scores fell."""

    items: int
    answers: int
    mean: float
    base_mean: float
    error: MeanError
    tails: Tails

    @property
    def delta(self) -> float:
        """Return the mean less the one of the base."""
        return self.mean - self.base_mean

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return bounds of the true difference: by t, but never narrower than `least_reach`."""
        reach = max(t_reach(self.error, confidence), least_reach(self.answers, confidence))
        return Interval(max(-1.0, self.delta - reach), min(1.0, self.delta + reach))


def difference(pairs: Sequence[Paired]) -> Difference:
    """Compare two sides on at least one item.

    Scores of 0 and 1 are tested exactly, others by t on the differences of the items.
    """
    values = [pair.delta for pair in pairs]
    error = mean_error(values)
    tails = _t_tails(fmean(values), error)
    if all(pair.is_binary for pair in pairs):
        tails = exact_tails(*strata_of(pairs))
        error = error._replace(standard_error=max(error.standard_error, _error_if_unchanged(pairs)))
    return Difference(
        items=len(pairs),
        answers=sum(pair.answers for pair in pairs),
        mean=fmean(pair.score_sum / pair.answers for pair in pairs),
        base_mean=fmean(pair.base_score_sum / pair.base_answers for pair in pairs),
        error=error,
        tails=tails,
    )


def _error_if_unchanged(pairs: Sequence[Paired]) -> float:
    """Return the standard error of the mean difference of binary scores where nothing has changed.

    It does not shrink with the scatter of a night that happens to be near 0 or 1.
    """
    variance = math.fsum(
        pair.stratum.variance * (1 / pair.answers + 1 / pair.base_answers) ** 2 for pair in pairs
    )
    return math.sqrt(variance) / len(pairs)


def _t_tails(delta: float, error: MeanError) -> Tails:
    if error.df == 0 or (error.standard_error == 0 and delta == 0):
        return Tails(1.0, 1.0, 0.0)
    if error.standard_error == 0:
        return Tails(float(delta > 0), float(delta < 0), math.copysign(math.inf, delta))
    t = delta / error.standard_error
    lower = student_t.below(t, error.df)
    return Tails(lower, 1 - lower, t)
