"""Budget: how many ticks each attempt reserves before it is sent, and how many attempts fit.

A reservation is the cost that 19 of 20 answers of the model stay within, estimated from the answers so far.
State is plain floats and whole ticks, so that workers can share it through Redis.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.rules.money import estimate_price
from runner.rules.numbers import NumberError, parse_decimal
from runner.rules.prices import TICKS_PER_USD
from runner.rules.sending.probes import PROBES
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from runner.rules.prices import PriceRow

RESERVING_STATES: Final = frozenset(  # states in which a job has an attempt whose cost is still to come
    {JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED}
)
USD_MAX: Final = 10**8  # more is a typing error; as ticks it still fits 64 bits

_Z: Final = 1.645  # standard deviations above the mean: 95 % of a normal distribution lie below
_DECAY: Final = 0.98  # factor of the older sums with each new answer: about 50 answers count
_SPREAD_MIN: Final = 0.1  # of log cost: the first answers may be alike by chance
_RATIO_MAX: Final = 1e6

# Tokens.
_OUTPUT_TYPICAL: Final = 500  # costs are learnt as multiples of an answer of this size
_OUTPUT_UNKNOWN: Final = 4_000  # before anything is learnt, where the request sets no maximum
_REASONING_UNKNOWN: Final = 2_000  # not limited by the request's maximum
_PROMPT_UNKNOWN: Final = 1_000  # the API adds about 700 hidden tokens to a prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Learnt costs of a model's answers, as ratios to `typical_ticks`: exponentially weighted sums."""

    weight: float = 0.0  # weighted number of answers
    log_sum: float = 0.0  # of log ratios
    log_squares: float = 0.0  # of squared log ratios

    @property
    def is_learnt(self) -> bool:
        """Whether there are enough answers for an estimate."""
        return self.weight > PROBES - 1

    @property
    def high_ratio(self) -> float:
        """The ratio that 95 % of further answers stay below, if ratios are lognormal.

        For few answers it is larger: it uses the quantile of Student's t (its first term beyond the normal
        one) and adds the standard error of the mean.
        """
        mean = self.log_sum / self.weight
        variance = max(self.log_squares / self.weight - mean * mean, 0.0)
        freedom = max(self.weight - 1, 1.0)
        spread = math.sqrt(variance * self.weight / freedom * (1 + 1 / self.weight))
        t = _Z + (_Z**3 + _Z) / (4 * freedom)
        return math.exp(mean + t * max(spread, _SPREAD_MIN))

    def update(self, typical_ticks: int, actual_ticks: int) -> Costs:
        """Return the costs with one more answer; unchanged if either amount is 0 or less."""
        if typical_ticks <= 0 or actual_ticks <= 0:
            return self
        log = math.log(min(max(actual_ticks / typical_ticks, 1 / _RATIO_MAX), _RATIO_MAX))
        return Costs(
            weight=self.weight * _DECAY + 1,
            log_sum=self.log_sum * _DECAY + log,
            log_squares=self.log_squares * _DECAY + log * log,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPrices:
    """Prices in force on one day (UTC): the table's, the user's own, and the factor of the API host."""

    at: date
    own_prices: Mapping[str, PriceRow] | None = None
    base_host: str | None = None

    def ticks(self, model: str, prompt_tokens: int, output_tokens: int) -> int | None:
        """Return the price of a request of that size; None if the model's prices are unknown."""
        return estimate_price(
            prompt_tokens,
            output_tokens,
            model,
            self.at,
            own_prices=self.own_prices,
            base_host=self.base_host,
        ).ticks


def typical_ticks(prices: DayPrices, model: str, prompt_tokens: int, output_tokens_max: int | None) -> int:
    """Return the price of an attempt with an answer of ordinary length, the unit of `Costs`; 0 if unknown."""
    output_tokens = min(output_tokens_max or _OUTPUT_TYPICAL, _OUTPUT_TYPICAL)
    return prices.ticks(model, prompt_tokens, output_tokens) or 0


def reserve_ticks(
    prices: DayPrices, model: str, prompt_tokens: int, output_tokens_max: int | None, costs: Costs
) -> int | None:
    """Return how much an attempt reserves; None if the model's prices are unknown.

    Before costs are learnt: twice the prompt, and the request's maximum output or else a long answer.
    """
    if costs.is_learnt:
        typical = typical_ticks(prices, model, prompt_tokens, output_tokens_max)
        if typical:
            return math.ceil(typical * costs.high_ratio)
    output_tokens = (output_tokens_max or _OUTPUT_UNKNOWN) + _REASONING_UNKNOWN
    return prices.ticks(model, 2 * prompt_tokens + _PROMPT_UNKNOWN, output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A run's budget at one moment."""

    budget_ticks: int
    used_ticks: int  # billed or possibly billed
    reserved_ticks: int  # of the attempts whose cost is still to come
    in_flight: int  # number of those attempts

    @property
    def left_ticks(self) -> int:
        """Ticks that are neither used nor reserved; below 0 after an overshoot."""
        return self.budget_ticks - self.used_ticks - self.reserved_ticks

    def count_fitting(self, wanted: Sequence[int], count_max: int | None = None) -> int:
        """Return how many of the `wanted` reservations (ticks) fit, in their order; at most `count_max`."""
        left_ticks, count_max = self.left_ticks, len(wanted) if count_max is None else count_max
        for count, ticks in enumerate(wanted):
            left_ticks -= ticks
            if left_ticks < 0 or count >= count_max:
                return count
        return len(wanted)


def used_ticks(counts: Mapping[str, int]) -> int:
    """Return what counts against a budget, summed from a run's counters of kind `ticks`.

    An answer that could not be read counts with the most it may have cost.
    """
    return sum(counts.get(key, 0) for key in ("reported", "estimated", "possible_extra", "unpriced"))


def parse_usd(text: str) -> int:
    """Return dollars above 0, such as `20`, `0.75` or `$1,250`, as exact ticks. Raises NumberError."""
    word = re.sub(r"^\$(?=[0-9.])", "", text)
    usd = parse_decimal(word, "amount in US dollars", "20, 0.75 or 1,250")
    if not 0 < usd <= USD_MAX:
        raise NumberError(f"{word!r} is not more than 0 and at most {USD_MAX:,} US dollars")
    ticks = usd * TICKS_PER_USD
    if ticks != ticks.to_integral_value():
        raise NumberError(f"{word!r} has more than 10 digits after the point")
    return int(ticks)
