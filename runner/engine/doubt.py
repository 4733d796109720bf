"""What an answer may have cost that nobody could read: lost, in doubt, or handed out without its usage.

A figure that covers: the bounds of prompt and output, at the dearest price the model's name may be billed by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.rules import models, money, outputs
from runner.rules.prices import day_of, own_prices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.prices import OwnPrices

PROMPT_MARGIN = 4 / 3  # the estimate counts bytes; the API's tokenizer may find a third more
OVERHEAD_TOKENS = 700  # hidden ones, as measured on grok-4-0709; where the catalogue knows none
LEARNT_SHARE = 0.99
SAFETY_FEE_TICKS = 5 * 10**8  # $0.05 a violating request (xAI's pricing page); see docs/decisions/0008


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """By what a run's answers are priced: the API's host, own prices, and the counters of the run."""

    base_host: str | None = None
    prices: OwnPrices | None = None
    counts: Mapping[tuple[str, str], int] | None = None


BY_THE_TABLE = Pricing()


def pricing_by(base_url: str, prices: Mapping[str, object]) -> Pricing:
    """Make it from the settings; `prices` is the table `[prices]` of runner.toml. Raises UsageError."""
    return Pricing(base_host=urlsplit(base_url).hostname, prices=own_prices(prices) if prices else None)


def possible_ticks(
    model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int, pricing: Pricing
) -> int | None:
    """Bound the ticks of such an attempt; None for a model without a price."""
    learnt = outputs.learn(pricing.counts, model, LEARNT_SHARE) if pricing.counts else None
    facts = models.facts(model)
    overhead = 0 if facts and facts.prompt_overhead_tokens else OVERHEAD_TOKENS
    return money.most(
        math.ceil(prompt_tokens * PROMPT_MARGIN) + overhead,
        outputs.worst(model, output_tokens_max, learnt),
        model,
        day_of(now_ms),
        base_host=pricing.base_host,
        own_prices=pricing.prices,
    )


def likely_ticks(
    model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int, pricing: Pricing
) -> int | None:
    """Say what sending such a job may well cost: for a decision, not a bound. None without a price."""
    learnt = outputs.learn(pricing.counts, model) if pricing.counts else None
    price = money.estimate(
        prompt_tokens,
        outputs.likely(model, output_tokens_max, learnt),
        model,
        day_of(now_ms),
        base_host=pricing.base_host,
        own_prices=pricing.prices,
    )
    return price.ticks


def refusal_ticks(code: str) -> int:
    """Give what a refusal may have cost: xAI may charge for a prompt that its safety check refused."""
    return SAFETY_FEE_TICKS if code == "safety" else 0
