"""The cost of answers whose usage is unknown: lost, unknown outcome, or without usage.

Two numbers (docs/decisions/0039): what it probably was, and the most that it can have been. Before anything
is learnt, the bound takes a large prompt and a long output for such a request, at the highest price that the
model's name may be billed by, so that an unknown bill never undercounts the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.rules import models, money
from runner.rules.costs.uncertain_cost import MARGIN, NO_COST, UncertainCost, combined, learnt_costs
from runner.rules.prices import day_of, parse_own_prices
from runner.rules.requests import output_estimate

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

    @classmethod
    def of(
        cls,
        base_url: str,
        prices: Mapping[str, object],
        counts: Mapping[tuple[str, str], int] | None = None,
    ) -> PriceBasis:
        """Return the basis that the settings give; `prices` is the table `[prices]` of runner.toml.

        `counts`: the counters of the run that is priced. Raises UsageError for a price that cannot be read.
        """
        return cls(
            base_host=urlsplit(base_url).hostname,
            prices=parse_own_prices(prices) if prices else None,
            counts=counts,
        )


TABLE_PRICES = PriceBasis()


def uncertain_cost(
    model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int, price_basis: PriceBasis
) -> UncertainCost | None:
    """Return what such an attempt probably cost, and at most; None where neither a price nor a cost is known.

    The probable cost is the mean of the model's answers in the run, else an estimate. The bound is the price
    of a long answer, or of the request's maximum; once enough answers of the model came, the dearest of them
    with a margin, and at least the price of this prompt, none of it cached, with the longest answer so far
    and the same margin.
    """
    counts = price_basis.counts or {}
    costs = learnt_costs(counts, model)
    learnt = costs.possible_ticks if costs else None
    if learnt is not None:
        longest = output_estimate.learnt_output(counts, model, high_share=1.0)
        output_tokens = math.ceil(longest.high * MARGIN) if longest else 0
        own = _price(model, _most_prompt_tokens(model, prompt_tokens), output_tokens, now_ms, price_basis)
        learnt = max(learnt, own or 0)
    return combined(
        likely_ticks(model, prompt_tokens, output_tokens_max, now_ms, price_basis),
        _cap_ticks(model, prompt_tokens, output_tokens_max, now_ms, price_basis),
        learnt,
    )


def likely_ticks(
    model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int, price_basis: PriceBasis
) -> int | None:
    """Return the likely ticks of such a job: for a decision, not a bound. None without a price or an answer.

    This is the mean of the model's answers in the run, else an estimate from the prompt and a likely output.
    """
    costs = learnt_costs(price_basis.counts or {}, model)
    if costs is not None:
        return costs.mean_ticks
    output_tokens = output_estimate.likely_output_tokens(model, output_tokens_max, None)
    return _price(model, prompt_tokens, output_tokens, now_ms, price_basis)


def refusal_cost(code: str) -> UncertainCost:
    """Return what a refusal may have cost: xAI may charge a fee for what its safety check refused.

    The fee is documented for another API than the one that the runner uses, so it is possible, not probable.
    """
    return UncertainCost(0, SAFETY_FEE_TICKS) if code == "safety" else NO_COST


def hidden_cost(
    model: str,
    prompt_tokens: int,
    output_tokens_max: int | None,
    now_ms: int,
    price_basis: PriceBasis,
) -> UncertainCost:
    """Return what a refusal for now may have cost: a 503 may hide an answer that was generated and paid.

    xAI's own client repeats a request after a 429, which came before any generation, but not after a 503
    (the constants of the official TypeScript SDK). It counts as probable only: no budget pays for it.
    """
    return UncertainCost(likely_ticks(model, prompt_tokens, output_tokens_max, now_ms, price_basis) or 0, 0)


def _cap_ticks(
    model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int, price_basis: PriceBasis
) -> int | None:
    learnt = (
        output_estimate.learnt_output(price_basis.counts, model, OBSERVED_SHARE)
        if price_basis.counts
        else None
    )
    return money.max_ticks(
        _most_prompt_tokens(model, prompt_tokens),
        output_estimate.worst_output_tokens(model, output_tokens_max, learnt),
        model,
        day_of(now_ms),
        base_host=price_basis.base_host,
        own_prices=price_basis.prices,
    )


def _most_prompt_tokens(model: str, prompt_tokens: int) -> int:
    """Return the most tokens that an estimated prompt may be billed for, with hidden ones."""
    facts = models.facts(model)
    overhead = 0 if facts and facts.prompt_overhead_tokens else OVERHEAD_TOKENS
    return math.ceil(prompt_tokens * PROMPT_MARGIN) + overhead


def _price(
    model: str, prompt_tokens: int, output_tokens: int, now_ms: int, price_basis: PriceBasis
) -> int | None:
    return money.estimate_price(
        prompt_tokens,
        output_tokens,
        model,
        day_of(now_ms),
        base_host=price_basis.base_host,
        own_prices=price_basis.prices,
    ).ticks
