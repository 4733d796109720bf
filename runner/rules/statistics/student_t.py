"""Student's t distribution: probabilities and quantiles by the regularized incomplete beta function."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

_TINY: Final = 1e-300  # keeps the continued fraction from dividing by 0
_PRECISION: Final = 1e-16
_STEPS_MAX: Final = 10_000
_SERIES_FROM: Final = 100.0  # above it the series of `_log_beta_half` is exact to 1e-16, lgamma is not


def two_sided_p(t: float, df: float) -> float:
    """Return the probability that |T| is at least |t|, with `df` degrees of freedom (> 0)."""
    return _incomplete_beta(df / 2, t * t, df)


def below(t: float, df: float) -> float:
    """Return P(T <= t), with `df` degrees of freedom (> 0)."""
    tail = two_sided_p(t, df) / 2
    return tail if t < 0 else 1 - tail


@lru_cache(maxsize=4_096)  # a suite asks for the same few, night after night
def quantile(p: float, df: float) -> float:
    """Return t with P(T <= t) = `p`, for 0 < p < 1 and `df` degrees of freedom (> 0).

    Newton's method from the normal quantile, in a bracket that each step makes smaller.
    """
    if p == 0.5:
        return 0.0
    tail = min(p, 1 - p)
    low, high = 0.0, 1.0
    while two_sided_p(high, df) > 2 * tail:
        low, high = high, high * 2
    t = min(max(-NormalDist().inv_cdf(tail), low), high)
    for _ in range(200):
        excess = two_sided_p(t, df) / 2 - tail
        low, high = (t, high) if excess > 0 else (low, t)
        step = excess / _density(t, df)
        following = t + step if low < t + step < high else (low + high) / 2
        if abs(following - t) <= 1e-15 * following:
            break
        t = following
    return t if p > 0.5 else -t


def _density(t: float, df: float) -> float:
    log = -(df + 1) / 2 * math.log1p(t * t / df) - _log_beta_half(df / 2) - math.log(df) / 2
    return math.exp(log)


def _incomplete_beta(a: float, square: float, df: float) -> float:
    """Return I_x(a, 1/2) at x = df / (df + square), by the continued fraction that converges there."""
    b = 0.5
    x, rest = df / (df + square), square / (df + square)
    if rest == 0:
        return 1.0
    log_front = -a * math.log1p(square / df) + b * math.log(rest) - _log_beta_half(a)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, rest) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _STEPS_MAX):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _log_beta_half(a: float) -> float:
    """Return the logarithm of B(a, 1/2).

    For a large `a` it is the asymptotic series of gamma(a + 1/2) / gamma(a): lgamma would lose digits.
    """
    half = math.log(math.pi) / 2
    if a < _SERIES_FROM:
        return math.lgamma(a) + half - math.lgamma(a + 0.5)
    inverse = 1 / a
    series = -inverse / 8 + inverse**3 / 192 - inverse**5 / 640 + 17 * inverse**7 / 14336
    return half - math.log(a) / 2 - series
