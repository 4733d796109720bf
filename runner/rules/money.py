"""Price of an answer or a request, in whole ticks (1 USD = 10^10). The API's reported cost takes precedence.

The formula is xAI's (pricing and cost-tracking pages): reasoning is not part of completion_tokens, so the
billed output is the larger of completion and total minus prompt; from the long threshold on, all tokens of
a request pay the long rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from runner.rules.prices import TICKS_PER_USD, possible_price_rows, price_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from runner.rules.prices import PriceRow
    from runner.rules.replies.chat_completion import Usage

US_HOST: Final = "us.api.x.ai"  # token prices x 1.1
_TICKS_SHOWN_MIN: Final = 500_000
PRIORITY: Final = "priority"  # service_tier of the response; token prices x 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price and its source. `ticks` is None exactly if `source` is "unknown".

    `as_of`: the day of the table for an estimate, "runner.toml" for the user's own prices, else "".
    """

    ticks: int | None
    source: Literal["reported", "estimated", "unknown"]
    as_of: str = ""


_UNKNOWN: Final = Price(ticks=None, source="unknown")


def price(
    usage: Usage | None,
    model: str | None,
    at: date,
    *,
    service_tier: str | None = None,
    base_host: str | None = None,
    own_prices: Mapping[str, PriceRow] | None = None,
) -> Price:
    """Return the price of an answer: its `cost_in_usd_ticks` if present, else the formula.

    `model` and `service_tier` are the response's, `at` is the day (UTC) it was sent, `base_host` its host.
    """
    if usage is None:
        return _UNKNOWN
    if usage.reported_ticks is not None:
        return Price(ticks=usage.reported_ticks, source="reported")
    row = price_row(model, at, own_prices) if model else None
    if row is None:
        return _UNKNOWN
    return _estimated(_tokens_ticks(usage, row), row, base_host, service_tier)


def estimate_price(
    prompt_tokens: int,
    output_tokens: int,
    model: str,
    at: date,
    *,
    base_host: str | None = None,
    own_prices: Mapping[str, PriceRow] | None = None,
) -> Price:
    """Return the price of a request without its answer: nothing cached, `output_tokens` with reasoning.

    For budgets and for the possible cost of extra attempts.
    """
    row = price_row(model, at, own_prices)
    if row is None:
        return _UNKNOWN
    return _estimated(_worst_ticks(prompt_tokens, output_tokens, row), row, base_host)


def max_ticks(
    prompt_tokens: int,
    output_tokens: int,
    model: str,
    at: date,
    *,
    base_host: str | None = None,
    own_prices: Mapping[str, PriceRow] | None = None,
) -> int | None:
    """Return the most ticks that a request of that size may have cost; None if no price is known."""
    candidates = [
        _estimated(_worst_ticks(prompt_tokens, output_tokens, row), row, base_host).ticks or 0
        for row in possible_price_rows(model, at, own_prices)
    ]
    return max(candidates, default=None)


def with_factors(ticks: int, *, service_tier: str | None, base_host: str | None) -> int:
    """Return the price of tokens times the factors of the service tier and the API host."""
    if service_tier == PRIORITY:
        ticks *= 2
    return (ticks * 11 + 5) // 10 if base_host == US_HOST else ticks


def usd(ticks: int) -> str:
    """Return ticks as dollars with 8 decimals, rounded half up, by integer arithmetic."""
    hundreds = (abs(ticks) + 50) // 100
    whole, part = divmod(hundreds, TICKS_PER_USD // 100)
    return f"{'-' if ticks < 0 and hundreds else ''}{whole}.{part:08}"


def dollars(ticks: int) -> str:
    """Return ticks as dollars for display: 2 decimals from $1 on, else 4; tiny amounts as "<$0.0001"."""
    if 0 < ticks < _TICKS_SHOWN_MIN:
        return "<$0.0001"
    return f"${ticks / TICKS_PER_USD:,.{2 if ticks >= TICKS_PER_USD else 4}f}"


def _worst_ticks(prompt_tokens: int, output_tokens: int, row: PriceRow) -> int:
    rates = row.rates_for(prompt_tokens)
    return prompt_tokens * rates.input_ticks + output_tokens * rates.output_ticks


def _tokens_ticks(usage: Usage, row: PriceRow) -> int:
    rates = row.rates_for(usage.prompt)
    cached = min(usage.cached, usage.prompt)
    image = min(usage.image, usage.prompt - cached)
    return (
        (usage.prompt - cached - image) * rates.input_ticks
        + cached * rates.cached_ticks
        + image * rates.image_ticks
        + max(usage.completion, usage.total - usage.prompt) * rates.output_ticks
    )


def _estimated(ticks: int, row: PriceRow, base_host: str | None, service_tier: str | None = None) -> Price:
    ticks = with_factors(ticks, service_tier=service_tier, base_host=base_host)
    return Price(ticks=ticks, source="estimated", as_of=row.as_of)
