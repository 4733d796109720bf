"""The standard error of a mean, and how far its interval reaches."""

from __future__ import annotations

import math
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, NamedTuple

from runner.rules.statistics import student_t

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def mean_error(values: Sequence[float]) -> MeanError:
    """Return the standard error of the mean of independent values, at least one."""
    n = len(values)
    if n == 1:
        return MeanError(math.inf, 0)
    mean = fmean(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return MeanError(math.sqrt(squares / (n * (n - 1))), n - 1)


def t_reach(error: MeanError, confidence: float) -> float:
    """Return how far the t interval reaches to either side of a mean."""
    if error.df == 0:
        return math.inf
    return student_t.quantile((1 + confidence) / 2, error.df) * error.standard_error


def least_reach(answers: int, confidence: float) -> float:
    """Return the reach below which no interval of a difference may shrink, for `answers` > 0 of one side.

    Where every item scores as before, the scatter is 0 and says nothing: this is then Tango's score interval.
    """
    square = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    return square / (answers + square)
