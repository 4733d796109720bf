"""The gate of a nightly evaluation: did the scores drop against the nights before, or is it noise?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.evaluation.gate.pool import POOL_LEAST
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.statistics import student_t
from runner.rules.statistics.intervals import MeanError
from runner.rules.statistics.stratified_test import Tails

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.gate.score_sums import PairedItems
    from runner.rules.statistics.comparison import Difference

SURE_FROM: Final = 7  # nights; with fewer the verdict is provisional
REMEASURE_BELOW: Final = 0.05  # a first measurement this improbable is repeated before it may alarm
_PSEUDO_NIGHTS: Final = 4  # assumed nights without noise of their own, beside those that were measured
_FAR: Final = 4.0  # usual falls: a night that is further away has had an accident, and counts as if so far
_MEDIAN_OF_NORMAL: Final = 0.6745  # of the size of a standard normal number


class NightNoise(NamedTuple):
    """How much nights differ beside what their answers alone give: the variance (1 or more) of their z.

    A night has noise of its own where the service answers all items a little better or worse than on others.
    The variance is as certain as one of `df` observations: the nights it was learned from, and the assumed.
    """

    variance: float
    df: int

    def repeated(self) -> NightNoise:
        """Return the noise of a night that was measured twice: its own part weighs twice as much then."""
        return self._replace(variance=1 + 2 * (self.variance - 1))

    def widen(self, found: Difference) -> Difference:
        """Return a difference with the noise in its error and its tails."""
        if self.variance == 1:
            return found
        stretch = math.sqrt(self.variance)
        z = found.tails.z / stretch
        lower = student_t.below(z, self.df)
        tails = Tails(max(found.tails.lower, lower), max(found.tails.upper, 1 - lower), z)
        error = MeanError(found.error.standard_error * stretch, min(found.error.df, self.df))
        return replace(found, tails=tails, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOutcome:
    """What the gate says. `is_repeated`: by both measurements.

    `difference` has the noise of nights in it; `first_z` is that of the first measurement, without it. Both
    are None without a baseline.
    """

    verdict: Verdict
    is_repeated: bool = False
    difference: Difference | None = None
    is_provisional: bool = False
    first_z: float | None = None
    noise: NightNoise | None = None


def night_noise(past_z: Sequence[float]) -> NightNoise:
    """Return the noise that the z of the nights before show, each from its first measurement.

    Where bad nights are worse than good ones are good, the bad ones count: 98 % is hard to improve on.
    """
    far = _FAR * _usual_fall(past_z)
    counted = [max(-far, min(far, z)) for z in past_z]
    squares = math.fsum(z * z for z in counted)
    falls = math.fsum(2 * z * z for z in counted if z < 0)
    df = len(counted) + _PSEUDO_NIGHTS
    return NightNoise(max(1.0, (max(squares, falls) + _PSEUDO_NIGHTS) / df), df)


def _usual_fall(past_z: Sequence[float]) -> float:
    """Return the standard deviation of falls as their median says it, which an accident does not move."""
    falls = [-z for z in past_z if z < 0]
    return max(1.0, median([*falls, *[_MEDIAN_OF_NORMAL] * 2]) / _MEDIAN_OF_NORMAL)


def no_drop(
    first: PairedItems,
    both: PairedItems | None,
    past_z: Sequence[float],
    *,
    pool_nights: int,
    alpha: float,
    nights_least: int = POOL_LEAST,
    remeasures: bool = True,
) -> GateOutcome:
    """Return what the gate says about a night and its pool.

    `first` pairs its first measurement with the pool, `both` that and the repeated one together (None if it
    was not repeated). `alpha` is the share of unchanged nights that may alarm. With fewer than `nights_least`
    nights there is no baseline. Without `remeasures` the first measurement decides alone.
    """
    if pool_nights < nights_least or not first.pairs:
        return GateOutcome(verdict=Verdict.NO_BASELINE)
    noise = night_noise(past_z)
    plain = first.difference()
    found = noise.widen(plain)
    verdict, is_repeated = _first_verdict(found.tails, alpha, remeasures=remeasures), False
    if verdict is Verdict.MEASURE_AGAIN and both is not None:
        is_repeated = True
        found = noise.repeated().widen(both.difference())
        verdict = Verdict.REGRESSED if found.tails.lower <= alpha else Verdict.PASSED
    return GateOutcome(
        verdict=verdict,
        is_repeated=is_repeated,
        difference=found,
        is_provisional=nights_least == POOL_LEAST and pool_nights < SURE_FROM,
        first_z=plain.tails.z,
        noise=noise,
    )


def _first_verdict(tails: Tails, alpha: float, *, remeasures: bool) -> Verdict:
    """Return what the first measurement says, or that it is to be repeated."""
    if remeasures and tails.lower < REMEASURE_BELOW:
        return Verdict.MEASURE_AGAIN
    if tails.lower <= alpha:
        return Verdict.REGRESSED
    return Verdict.IMPROVED if tails.upper <= alpha else Verdict.PASSED
