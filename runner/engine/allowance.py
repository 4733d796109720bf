"""The allowance: what an attempt reserves, and what answers teach of that.

Every attempt reserves, so that a budget which is set later knows what is out; only runs that have a budget
are held to it, and only they pay for the lock (`mark`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.budget import Pricing, reserve_ticks, typical_ticks
from runner.rules.prices import day_of

if TYPE_CHECKING:
    from runner.db.leases import Claimed, Leased
    from runner.engine.station import Station


def reserve(station: Station, job: Leased) -> int | None:
    """Say what an attempt of a job reserves; None where nobody knows the price of its model."""
    costs = station.learned.costs(job.model)
    return reserve_ticks(_pricing(station), job.model, job.prompt_tokens, job.output_tokens_max, costs)


def learn(station: Station, job: Claimed, ticks: int) -> None:
    """Learn from what the answer of a job cost."""
    typical = typical_ticks(_pricing(station), job.model, job.prompt_tokens, job.output_tokens_max)
    station.learned.observe_cost(job.model, typical, ticks)


def _pricing(station: Station) -> Pricing:
    return Pricing(
        at=day_of(station.now_ms()), own_prices=station.prices.prices, base_host=station.prices.base_host
    )
