"""Two sides measured on the same items: the difference of their means, and how probable it is."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.statistics import student_t
from runner.rules.statistics.intervals import (
    Interval,
    MeanError,
    clustered_error,
    least_reach,
    mean_error,
    t_reach,
)
from runner.rules.statistics.stratified_test import Stratum, Tails, exact_tails

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

_ROUNDING: Final = 1e-12  # differences of means of equal scores are below it
_Z_CERTAIN: Final = 38.0  # beyond it the normal distribution has nothing that a float can hold


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


def strata_of(kinds: Mapping[Paired, int]) -> tuple[Counter[Stratum], int]:
    """Return the strata of items with binary scores, counted, and the successes of the first side.

    `kinds` counts items that are alike.
    """
    strata: Counter[Stratum] = Counter()
    for pair, count in kinds.items():
        strata[pair.stratum] += count
    return strata, sum(int(pair.score_sum) * count for pair, count in kinds.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two sides say about each other. `tails.lower` is small where the scores fell.

    `units` is how many answers of the first side are independent of each other: all, or the clusters.
    """

    items: int
    units: int
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
        reach = max(t_reach(self.error, confidence), least_reach(self.units, confidence))
        return Interval(max(-1.0, self.delta - reach), min(1.0, self.delta + reach))


def difference(pairs: Sequence[Paired], clusters: Sequence[Hashable] | None = None) -> Difference:
    """Compare two sides on at least one item.

    Scores of 0 and 1 are tested exactly, others by t on the differences of the items. `clusters` has the
    cluster of each item, where some rise and fall together: then all scores are tested by t, on clusters.
    """
    kinds = Counter(pairs)  # often few: then nothing is computed twice
    error = _error(pairs, kinds, clusters)
    n = len(pairs)
    mean = math.fsum(count * pair.score_sum / pair.answers for pair, count in kinds.items()) / n
    base = math.fsum(count * pair.base_score_sum / pair.base_answers for pair, count in kinds.items()) / n
    if clusters is None and all(pair.is_binary for pair in kinds):
        tails = exact_tails(*strata_of(kinds))
        error = error._replace(standard_error=max(error.standard_error, _error_if_unchanged(kinds, n)))
    else:
        tails = _t_tails(mean - base, error)
    units = (
        sum(count * pair.answers for pair, count in kinds.items()) if clusters is None else len(set(clusters))
    )
    return Difference(items=n, units=units, mean=mean, base_mean=base, error=error, tails=tails)


def _error(
    pairs: Sequence[Paired], kinds: Mapping[Paired, int], clusters: Sequence[Hashable] | None
) -> MeanError:
    """Return the standard error of the mean difference; `kinds` counts pairs that are alike."""
    if clusters is None:
        return mean_error([pair.delta for pair in kinds], list(kinds.values()))
    return clustered_error([pair.delta for pair in pairs], clusters)


def _error_if_unchanged(kinds: Mapping[Paired, int], items: int) -> float:
    """Return the standard error of the mean difference of binary scores where nothing has changed.

    It does not shrink with the scatter of a night that happens to be near 0 or 1.
    """
    variance = math.fsum(
        count * pair.stratum.variance * (1 / pair.answers + 1 / pair.base_answers) ** 2
        for pair, count in kinds.items()
    )
    return math.sqrt(variance) / items


def _t_tails(delta: float, error: MeanError) -> Tails:
    """Return the tails of t; without any scatter, a difference is certain, and none is none."""
    is_equal, is_rigid = abs(delta) < _ROUNDING, error.standard_error < _ROUNDING
    if error.df == 0 or (is_equal and is_rigid):
        return Tails(1.0, 1.0, 0.0)
    if is_rigid:
        return Tails(float(delta > 0), float(delta < 0), math.copysign(_Z_CERTAIN, delta))
    t = delta / error.standard_error
    return Tails(student_t.below(t, error.df), student_t.below(-t, error.df), t)
