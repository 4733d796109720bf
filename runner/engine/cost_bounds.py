"""Upper bounds of the cost of answers whose usage is unknown: lost, unknown outcome, or without usage.

A bound takes the largest prompt and output that are possible, at the highest price that the model's name may
be billed by, so that an unknown bill never undercounts the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.rules import models, money, output_estimate
from runner.rules.prices import day_of, parse_own_prices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.prices import OwnPrices

PROMPT_MARGIN = 4 / 3  # the estimate counts bytes; the API's tokenizer may find a third more
OVERHEAD_TOKENS = (
    700  # hidden tokens, as measured on grok-4-0709; for models that the catalogue does not list
)
OBSERVED_SHARE = 0.99
SAFETY_FEE_TICKS = 5 * 10**8  # $0.05 a violating request (xAI's pricing page); see docs/decisions/0008


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBasis:
    """What a run's answers are priced by: the API's host, the user's own prices, and the run's counters."""

    base_host: str | None = None
    prices: OwnPrices | None = None
    counts: Mapping[tuple[str, str], int] | None = None


TABLE_PRICES = PriceBasis()


def price_basis(base_url: str, prices: Mapping[str, object]) -> PriceBasis:
    """Return the basis that the settings give; `prices` is the table `[prices]` of runner.toml.

    Raises UsageError for a price that cannot be read.
    """
    return PriceBasis(
        base_host=urlsplit(base_url).hostname, prices=parse_own_prices(prices) if prices else None
    )


def possible_ticks(
    model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int, pricing: PriceBasis
) -> int | None:
    """Return the most ticks that such an attempt can cost; None for a model without a price."""
    learnt = output_estimate.learnt_output(pricing.counts, model, OBSERVED_SHARE) if pricing.counts else None
    facts = models.facts(model)
    overhead = 0 if facts and facts.prompt_overhead_tokens else OVERHEAD_TOKENS
    return money.max_ticks(
        math.ceil(prompt_tokens * PROMPT_MARGIN) + overhead,
        output_estimate.worst_output_tokens(model, output_tokens_max, learnt),
        model,
        day_of(now_ms),
        base_host=pricing.base_host,
        own_prices=pricing.prices,
    )


def likely_ticks(
    model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int, pricing: PriceBasis
) -> int | None:
    """Return the likely ticks of sending such a job: for a decision, not a bound. None without a price."""
    learnt = output_estimate.learnt_output(pricing.counts, model) if pricing.counts else None
    price = money.estimate_price(
        prompt_tokens,
        output_estimate.likely_output_tokens(model, output_tokens_max, learnt),
        model,
        day_of(now_ms),
        base_host=pricing.base_host,
        own_prices=pricing.prices,
    )
    return price.ticks


def refusal_ticks(code: str) -> int:
    """Return the ticks that a refusal may have cost: xAI may charge for what its safety check refused."""
    return SAFETY_FEE_TICKS if code == "safety" else 0
