"""Reservations: the ticks that an attempt sets aside before it is sent, improved by what answers cost.

Every attempt reserves, so that a budget that is set later knows what is in flight. Only runs with a budget
are bounded by it, and only they take the lock (`record_attempts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.budget import Pricing, reserve_ticks, typical_ticks
from runner.rules.prices import day_of

if TYPE_CHECKING:
    from runner.db.leases import Claimed, Leased
    from runner.engine.station import Station


def reserve(station: Station, job: Leased) -> int | None:
    """Return the ticks that an attempt of a job reserves; None if its model has no known price."""
    costs = station.learned.costs(job.model)
    return reserve_ticks(_pricing(station), job.model, job.prompt_tokens, job.output_tokens_max, costs)


def learn(station: Station, job: Claimed, ticks: int) -> None:
    """Update the cost estimate of a model with what one answer cost, in ticks."""
    typical = typical_ticks(_pricing(station), job.model, job.prompt_tokens, job.output_tokens_max)
    station.learned.observe_cost(job.model, typical, ticks)


def _pricing(station: Station) -> Pricing:
    return Pricing(
        at=day_of(station.now_ms()), own_prices=station.prices.prices, base_host=station.prices.base_host
    )
