"""What a budget allows: how much each attempt reserves before it is sent, and how many attempts fit.

A reserve is the cost that 19 of 20 answers of the model stay within, by what its answers have taught. All
is plain floats and whole ticks, so that workers can share it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from runner.rules.money import estimate
from runner.rules.prices import TICKS_PER_USD
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from runner.rules.prices import PriceRow

SCOUTS: Final = 8  # of models whose costs nobody knows: so many are out at once, and teach
RESERVES: Final = frozenset(  # a job in one of these has an attempt whose cost is still to come
    {JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING, JobState.STORED}
)
USD_MAX: Final = 10**8  # dearer is a slip of the pen, and ticks still fit 64 bits with room to spare

_Z: Final = 1.645  # standard deviations above the mean: 95 % of a normal distribution lie below
_LESSON_WEIGHT: Final = 0.98  # of the older sums, with each new answer: about 50 answers count
_SPREAD_MIN: Final = 0.1  # of log cost: the first answers may be alike by chance
_RATIO_MAX: Final = 1e6

_OUTPUT_TYPICAL: Final = 500  # tokens; costs are learnt as multiples of an answer of this size
_OUTPUT_UNKNOWN: Final = 4_000  # before anything is learnt, where the request sets no maximum
_REASONING_UNKNOWN: Final = 2_000  # lies outside the maximum
_PROMPT_UNKNOWN: Final = 1_000  # what the API adds to a prompt without showing it is about 700


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a model's answers cost, as multiples of `typical_ticks`: sums over log ratios, the latest count
    most.
    """

    weight: float = 0.0
    log_sum: float = 0.0
    log_squares: float = 0.0

    @property
    def is_learnt(self) -> bool:
        """Whether enough answers have come in to go by."""
        return self.weight > SCOUTS - 1

    @property
    def high_ratio(self) -> float:
        """The multiple that 95 % of further answers stay within, taken as lognormal.

        The quantile of Student's t (its first term beyond the normal one) and the spread of a mean allow
        for how few answers it is drawn from.
        """
        mean = self.log_sum / self.weight
        variance = max(self.log_squares / self.weight - mean * mean, 0.0)
        freedom = max(self.weight - 1, 1.0)
        spread = math.sqrt(variance * self.weight / freedom * (1 + 1 / self.weight))
        t = _Z + (_Z**3 + _Z) / (4 * freedom)
        return math.exp(mean + t * max(spread, _SPREAD_MIN))

    def update(self, typical_ticks: int, actual_ticks: int) -> Costs:
        """Learn from one answer. A free one teaches nothing."""
        if typical_ticks <= 0 or actual_ticks <= 0:
            return self
        log = math.log(min(max(actual_ticks / typical_ticks, 1 / _RATIO_MAX), _RATIO_MAX))
        return Costs(
            weight=self.weight * _LESSON_WEIGHT + 1,
            log_sum=self.log_sum * _LESSON_WEIGHT + log,
            log_squares=self.log_squares * _LESSON_WEIGHT + log * log,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What is needed to price an attempt beside its size: the day, the user's own prices, the API host."""

    at: date
    own_prices: Mapping[str, PriceRow] | None = None
    base_host: str | None = None

    def ticks(self, model: str, prompt_tokens: int, output_tokens: int) -> int | None:
        """Price a request of that size; None where nobody knows the model's prices."""
        return estimate(
            prompt_tokens,
            output_tokens,
            model,
            self.at,
            own_prices=self.own_prices,
            base_host=self.base_host,
        ).ticks


def typical_ticks(pricing: Pricing, model: str, prompt_tokens: int, output_tokens_max: int | None) -> int:
    """Price an attempt with an answer of ordinary length: what costs are learnt against. 0: unknown."""
    output_tokens = min(output_tokens_max or _OUTPUT_TYPICAL, _OUTPUT_TYPICAL)
    return pricing.ticks(model, prompt_tokens, output_tokens) or 0


def reserve_ticks(
    pricing: Pricing, model: str, prompt_tokens: int, output_tokens_max: int | None, costs: Costs
) -> int | None:
    """Say how much an attempt reserves; None where nobody knows the model's prices.

    Before its costs are learnt: twice the prompt, and the most it may answer or a long answer.
    """
    if costs.is_learnt:
        typical = typical_ticks(pricing, model, prompt_tokens, output_tokens_max)
        if typical:
            return math.ceil(typical * costs.high_ratio)
    output_tokens = (output_tokens_max or _OUTPUT_UNKNOWN) + _REASONING_UNKNOWN
    return pricing.ticks(model, 2 * prompt_tokens + _PROMPT_UNKNOWN, output_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A run's money at one moment. `used`: billed, or possibly billed; `reserved`: for what is out."""

    budget_ticks: int
    used_ticks: int
    reserved_ticks: int
    out: int

    @property
    def left_ticks(self) -> int:
        """What is neither used nor reserved; below 0 after an overshoot."""
        return self.budget_ticks - self.used_ticks - self.reserved_ticks

    def fitting(self, wanted: Sequence[int], room: int | None = None) -> int:
        """Count how many of these reserves fit, from the first on, and at most `room`."""
        left, room = self.left_ticks, len(wanted) if room is None else room
        for count, ticks in enumerate(wanted):
            left -= ticks
            if left < 0 or count >= room:
                return count
        return len(wanted)


def used_ticks(counts: Mapping[str, int]) -> int:
    """Add up what counts against a budget, of a run's counters of kind `ticks`.

    What nobody could read counts with what it may have cost: nothing is free for being unknown.
    """
    return sum(counts.get(key, 0) for key in ("reported", "estimated", "possible_extra", "unpriced"))


def at_least(possible_ticks: int | None, reserved_ticks: int | None) -> int | None:
    """Raise what an attempt may have cost to what it had reserved: a budget must not win by not knowing.

    None where nobody can tell, which is counted apart.
    """
    return None if possible_ticks is None else max(possible_ticks, reserved_ticks or 0)


def parse_usd(word: str) -> int | None:
    """Read dollars as ticks, exactly: `20`, `0.75`, `$1,250`. None for anything else, and for 0."""
    try:
        usd = Decimal(word.strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        return None
    if not usd.is_finite() or not 0 < usd <= USD_MAX:
        return None
    ticks = usd * TICKS_PER_USD
    return int(ticks) if ticks == ticks.to_integral_value() else None
