"""The exact test of a night against its pool, item by item: did as many answers succeed as before?

Each item is a stratum. When nothing has changed, its answers of the night and of the pool are exchangeable,
so the successes of the night are hypergeometric, given all successes of the item. Their sum over the items is
tested. It is exact for any number of answers on either side; with one answer a side it is McNemar's test.
"""

from __future__ import annotations

import cmath
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG_ERROR: Final = 35.0  # what is left out has a probability below exp(-35), about 6e-16
_LEAST_MODULUS: Final = 1e-18


class Stratum(NamedTuple):
    """The answers of one item: how many of the night, of the pool, and how many of both succeeded."""

    night: int
    pool: int
    successes: int

    @property
    def mean(self) -> float:
        """Return the expected number of successes of the night."""
        return self.night * self.successes / (self.night + self.pool)

    @property
    def variance(self) -> float:
        """Return the variance of the number of successes of the night."""
        total = self.night + self.pool
        if total < 2:
            return 0.0
        share = self.successes / total
        return self.night * share * (1 - share) * self.pool / (total - 1)

    @property
    def least(self) -> int:
        """Return the least number of successes that the night can have."""
        return max(0, self.successes - self.pool)

    @property
    def most(self) -> int:
        """Return the greatest number of successes that the night can have."""
        return min(self.night, self.successes)


class Tails(NamedTuple):
    """How probable a result as low, and one as high, as the one seen is; both include it.

    `z` is the result less its expected value, in standard deviations.
    """

    lower: float
    upper: float
    z: float


def exact_tails(strata: Mapping[Stratum, int], seen: int) -> Tails:
    """Return how probable a night with at most, and one with at least, `seen` successes is.

    `strata` counts the items of each kind. The distribution of the sum is taken from its characteristic
    function at equally spaced points: exact for a short support, and to about 1e-15 where only the middle of
    a long one is resolved. (A sum of hypergeometric numbers is one of independent yes-or-no numbers, so the
    modulus of the characteristic function falls from 0 to pi: nothing comes after the first tiny one.)
    """
    mean = sum(stratum.mean * n for stratum, n in strata.items())
    variance = sum(stratum.variance * n for stratum, n in strata.items())
    z = (seen - mean) / math.sqrt(variance) if variance else 0.0
    reach = _reach(variance)
    first = max(sum(stratum.least * n for stratum, n in strata.items()), math.floor(mean - reach))
    last = min(sum(stratum.most * n for stratum, n in strata.items()), math.ceil(mean + reach))
    if not first <= seen <= last:
        return Tails(float(seen > last), float(seen < first), z)
    below, at = _below_and_at(strata, seen, first, last - first + 1)
    return Tails(_within_0_1(below + at), _within_0_1(1 - below), z)


def _reach(variance: float) -> float:
    """Return the distance from the mean beyond which the sum lies with exp(-_LOG_ERROR): by Bernstein."""
    linear = _LOG_ERROR / 3
    return linear + math.sqrt(linear * linear + 2 * _LOG_ERROR * variance)


def _below_and_at(strata: Mapping[Stratum, int], seen: int, first: int, size: int) -> tuple[float, float]:
    """Return P(sum < seen) and P(sum = seen); all of the sum lies on `size` numbers from `first` on."""
    open_strata = {stratum: n for stratum, n in strata.items() if stratum.least < stratum.most}
    start = first - sum(stratum.least * n for stratum, n in strata.items())
    below = at = 0.0
    for k in range(size // 2 + 1):
        angle = 2 * math.pi * k / size
        value = _characteristic(open_strata, angle) * cmath.exp(-1j * angle * start)
        weight = 1 if k == 0 or 2 * k == size else 2
        at += weight * (value * cmath.exp(-1j * angle * (seen - first))).real
        below += weight * (value * _geometric(angle, seen - first)).real
        if abs(value) < _LEAST_MODULUS:
            break
    return below / size, at / size


def _characteristic(strata: Mapping[Stratum, int], angle: float) -> complex:
    """Return the characteristic function of the sum above its least value."""
    turn = cmath.exp(1j * angle)
    found = 1 + 0j
    for stratum, count in strata.items():
        value = 0j
        for weight in _falling_weights(stratum):
            value = value * turn + weight
        found *= value**count
    return found


@lru_cache(maxsize=65_536)
def _falling_weights(stratum: Stratum) -> tuple[float, ...]:
    """Return the probabilities of each number of successes, from the greatest down."""
    night, pool, successes = stratum
    all_ways = math.comb(night + pool, successes)
    return tuple(
        math.comb(night, x) * math.comb(pool, successes - x) / all_ways
        for x in range(stratum.most, stratum.least - 1, -1)
    )


def _geometric(angle: float, terms: int) -> complex:
    """Return the sum of exp(-i angle x) over x from 0 below `terms`."""
    if angle == 0:
        return complex(terms)
    turn = cmath.exp(-1j * angle)
    return (1 - turn**terms) / (1 - turn)


def _within_0_1(p: float) -> float:
    return min(1.0, max(0.0, p))
