"""What an answer cost, or may cost: whole ticks, 1 USD = 10^10. The API's own figure comes before the table.

The formula is xAI's (pricing and cost-tracking pages): reasoning lies outside completion_tokens, so what is
billed as output is the larger of completion and total minus prompt; from the long threshold on, all tokens
of a request pay the long rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from runner.rules.prices import TICKS_PER_USD, row_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from runner.rules.completion import Usage
    from runner.rules.prices import PriceRow

US_HOST: Final = "us.api.x.ai"  # token prices x 1.1
_TICKS_SHOWN_MIN: Final = 500_000
PRIORITY: Final = "priority"  # as the response says; token prices x 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """`ticks` is None exactly when `source` is "unknown".

    `as_of`: the day of the table for an estimate, "runner.toml" for the user's own prices, else empty.
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
    """Price one answer: `cost_in_usd_ticks` where the API gave it, else the formula by the returned `model`.

    `at` is the day it was sent (UTC), `service_tier` the response's own, `base_host` the API host asked.
    """
    if usage is None:
        return _UNKNOWN
    if usage.reported_ticks is not None:
        return Price(ticks=usage.reported_ticks, source="reported")
    row = row_of(model, at, own_prices) if model else None
    if row is None:
        return _UNKNOWN
    return _estimated(_tokens_ticks(usage, row), row, base_host, service_tier)


def estimate(
    prompt_tokens: int,
    output_tokens: int,
    model: str,
    at: date,
    *,
    base_host: str | None = None,
    own_prices: Mapping[str, PriceRow] | None = None,
) -> Price:
    """Price a request before its answer: nothing cached, `output_tokens` with reasoning.

    For budgets and for what an extra may have cost.
    """
    row = row_of(model, at, own_prices)
    if row is None:
        return _UNKNOWN
    return _estimated(_worst_ticks(prompt_tokens, output_tokens, row), row, base_host)


def most(
    prompt_tokens: int,
    output_tokens: int,
    model: str,
    at: date,
    *,
    base_host: str | None = None,
    own_prices: Mapping[str, PriceRow] | None = None,
) -> int | None:
    """Give the most ticks that a request of that size may have cost; None where nobody knows a price."""
    found = [
        _estimated(_worst_ticks(prompt_tokens, output_tokens, row), row, base_host).ticks or 0
        for row in rows_of(model, at, own_prices)
    ]
    return max(found, default=None)


def with_factors(ticks: int, *, service_tier: str | None, base_host: str | None) -> int:
    """Multiply the price of tokens by what the service tier and the API host make of it."""
    if service_tier == PRIORITY:
        ticks *= 2
    return (ticks * 11 + 5) // 10 if base_host == US_HOST else ticks


def usd(ticks: int) -> str:
    """Write ticks as dollars with 8 decimals, rounded half up; exact whole-number maths."""
    hundreds = (abs(ticks) + 50) // 100
    whole, part = divmod(hundreds, TICKS_PER_USD // 100)
    return f"{'-' if ticks < 0 and hundreds else ''}{whole}.{part:08}"


def dollars(ticks: int) -> str:
    """Write money for people: cents from a dollar on, else four decimals; never 0 for what is more."""
    if 0 < ticks < _TICKS_SHOWN_MIN:
        return "<$0.0001"
    return f"${ticks / TICKS_PER_USD:,.{2 if ticks >= TICKS_PER_USD else 4}f}"


def _worst_ticks(prompt_tokens: int, output_tokens: int, row: PriceRow) -> int:
    rates = row.at(prompt_tokens)
    return prompt_tokens * rates.input_ticks + output_tokens * rates.output_ticks


def _tokens_ticks(usage: Usage, row: PriceRow) -> int:
    rates = row.at(usage.prompt)
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
