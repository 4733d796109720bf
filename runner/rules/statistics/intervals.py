"""The standard error of a mean, how far its interval reaches, and the interval of a rate."""

from __future__ import annotations

import math
import operator
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, NamedTuple

from runner.rules.statistics import student_t

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class Interval(NamedTuple):
    """Bounds that hold the true value with the asked confidence."""

    low: float
    high: float


class MeanError(NamedTuple):
    """The standard error of a mean, and its degrees of freedom.

    One item says nothing of others: then the error is infinite, and there are 0 degrees.
    """

    standard_error: float
    df: int


def mean_error(values: Sequence[float], counts: Sequence[int] | None = None) -> MeanError:
    """Return the standard error of the mean of independent values, at least one.

    `counts` says how often each value is there; without it each is there once.
    """
    counts = counts or [1] * len(values)
    n = sum(counts)
    if n == 1:
        return MeanError(math.inf, 0)
    mean = math.fsum(map(operator.mul, counts, values)) / n
    squares = math.fsum(count * (value - mean) ** 2 for count, value in zip(counts, values, strict=True))
    return MeanError(math.sqrt(squares / (n * (n - 1))), n - 1)


def clustered_error(values: Sequence[float], clusters: Sequence[Hashable]) -> MeanError:
    """Return the standard error of the mean of values of which those of a cluster rise and fall together.

    `clusters` has the cluster of each value. There are as many degrees of freedom as clusters, less one.
    """
    mean = fmean(values)
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - mean
    n = len(sums)
    if n == 1:
        return MeanError(math.inf, 0)
    squares = math.fsum(one * one for one in sums.values())
    return MeanError(math.sqrt(n / (n - 1) * squares) / len(values), n - 1)


def t_reach(error: MeanError, confidence: float) -> float:
    """Return how far the t interval reaches to either side of a mean."""
    if error.df == 0:
        return math.inf
    return student_t.quantile((1 + confidence) / 2, error.df) * error.standard_error


def least_reach(answers: int, confidence: float) -> float:
    """Return the reach below which no interval may shrink, for `answers` > 0 (of one side of a difference).

    Where every item scores as before, the scatter is 0 and says nothing: this is then Tango's score
    interval. Where every answer is right, it is Wilson's.
    """
    square = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    return square / (answers + square)


def wilson(successes: int, answers: int, confidence: float) -> Interval:
    """Return Wilson's interval of the rate of successes among independent answers, at least one."""
    square = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    middle = (successes + square / 2) / (answers + square)
    spread = successes * (answers - successes) / answers + square / 4
    reach = math.sqrt(square * spread) / (answers + square)
    return Interval(max(0.0, middle - reach), min(1.0, middle + reach))
