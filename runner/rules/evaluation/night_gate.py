"""The gate of a nightly evaluation: did the scores drop against the nights before, or is it noise?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.statistics import student_t
from runner.rules.statistics.comparison import Difference, difference
from runner.rules.statistics.intervals import MeanError
from runner.rules.statistics.stratified_test import Tails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.statistics.comparison import Paired

POOL_MOST: Final = 14  # accepted nights that tonight is compared with
POOL_LEAST: Final = 3  # below it there is nothing to compare with yet
SURE_FROM: Final = 7  # nights; with fewer the verdict is provisional
REMEASURE_BELOW: Final = 0.05  # a first measurement this improbable is repeated before it may alarm
_PSEUDO_NIGHTS: Final = 4  # nights without noise of their own, added to those that were measured


class Verdict(StrEnum):
    """What the gate says about a night."""

    PASSED = "passed"
    IMPROVED = "improved"
    REGRESSED = "regressed"
    NO_BASELINE = "no_baseline"
    MEASURE_AGAIN = "measure_again"  # all of it, before an alarm is given


class NightNoise(NamedTuple):
    """How much nights differ beside what their answers alone give: the variance (1 or more) of their z.

    A night has noise of its own where the service answers all items a little better or worse than on others.
    `nights` is how many the variance was learned from.
    """

    variance: float
    nights: int

    def repeated(self) -> NightNoise:
        """Return the noise of a night that was measured twice: its own part weighs twice as much then."""
        return self._replace(variance=1 + 2 * (self.variance - 1))

    def widen(self, found: Difference) -> Difference:
        """Return a difference with the noise in its error and its tails."""
        if self.variance == 1:
            return found
        stretch, df = math.sqrt(self.variance), self.nights
        z = found.tails.z / stretch
        lower = student_t.below(z, df)
        tails = Tails(max(found.tails.lower, lower), max(found.tails.upper, 1 - lower), z)
        error = MeanError(found.error.standard_error * stretch, min(found.error.df, df))
        return replace(found, tails=tails, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """What the gate says; `difference` is None without a baseline, `is_repeated`: by both measurements."""

    verdict: Verdict
    is_repeated: bool = False
    difference: Difference | None = None
    is_provisional: bool = False


def night_noise(past_z: Sequence[float]) -> NightNoise:
    """Return the noise that the z of the nights before show, each from its first measurement.

    Where bad nights are worse than good ones are good, the bad ones count: 98 % is hard to improve on.
    """
    squares = [z * z for z in past_z]
    falls = [2 * z * z for z in past_z if z < 0]
    variance = (max(sum(squares), sum(falls)) + _PSEUDO_NIGHTS) / (len(squares) + _PSEUDO_NIGHTS)
    return NightNoise(max(1.0, variance), len(squares))


def no_drop(
    first: Sequence[Paired],
    both: Sequence[Paired] | None,
    past_z: Sequence[float],
    *,
    pool_nights: int,
    alpha: float,
) -> GateOutcome:
    """Return what the gate says about a night and its pool.

    `first` pairs its first measurement with the pool, `both` that and the repeated one together (None if it
    was not repeated). `alpha` is the share of unchanged nights that may alarm.
    """
    if pool_nights < POOL_LEAST or not first:
        return GateOutcome(verdict=Verdict.NO_BASELINE)
    noise = night_noise(past_z)
    found = noise.widen(difference(first))
    verdict, is_repeated = Verdict.PASSED, False
    if found.tails.lower < REMEASURE_BELOW:
        verdict = Verdict.MEASURE_AGAIN
        is_repeated = both is not None
        if both is not None:
            found = noise.repeated().widen(difference(both))
            verdict = Verdict.REGRESSED if found.tails.lower <= alpha else Verdict.PASSED
    elif found.tails.upper <= alpha:
        verdict = Verdict.IMPROVED
    return GateOutcome(
        verdict=verdict,
        is_repeated=is_repeated,
        difference=found,
        is_provisional=pool_nights < SURE_FROM,
    )
