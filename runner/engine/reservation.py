"""Reservations: the ticks that an attempt sets aside before it is sent, improved by what answers cost.

Every attempt reserves, so that a budget that is set later knows what is in flight. Only runs with a budget
are bounded by it, and only they take the lock (`record_attempts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.budget import DayPrices, reserve_ticks, typical_ticks
from runner.rules.prices import day_of

if TYPE_CHECKING:
    from runner.db.leases import ClaimedJob, LeasedJob
    from runner.engine.runtime import Runtime


def ticks_to_reserve(runtime: Runtime, job: LeasedJob) -> int | None:
    """Return the ticks that an attempt of a job reserves; None if its model has no known price."""
    costs = runtime.estimates.costs(job.model)
    return reserve_ticks(_pricing(runtime), job.model, job.prompt_tokens, job.output_tokens_max, costs)


def observe_cost(runtime: Runtime, job: ClaimedJob, ticks: int) -> None:
    """Update the cost estimate of a model with what one answer cost, in ticks."""
    typical = typical_ticks(_pricing(runtime), job.model, job.prompt_tokens, job.output_tokens_max)
    runtime.estimates.observe_cost(job.model, typical, ticks)


def _pricing(runtime: Runtime) -> DayPrices:
    return DayPrices(
        at=day_of(runtime.now_ms()), own_prices=runtime.prices.prices, base_host=runtime.prices.base_host
    )
