"""What an attempt will take before its answer shows it: tokens of the limit, and ticks of the budget.

Every attempt reserves ticks, so that a budget that is set later knows what is in flight. Only runs with a
budget are bounded by it, and only they take the lock (`record_attempts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules import models
from runner.rules.costs.budget import DayPrices, reserve_ticks, typical_ticks
from runner.rules.prices import day_of
from runner.rules.requests import tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.workers.leases import ClaimedJob, LeasedJob
    from runner.engine.runs.cost_bounds import PriceBasis
    from runner.limiter.estimates import SharedEstimates


class JobEstimates:
    """Estimates by the prompt, improved by what answers of the model took; all workers share that.

    `prompt_overhead_tokens`: the user's setting for hidden tokens of each prompt, None: the model table's.
    """

    def __init__(
        self,
        estimates: SharedEstimates,
        price_basis: PriceBasis,
        now_ms: Callable[[], int],
        prompt_overhead_tokens: int | None,
    ) -> None:
        self._estimates, self._price_basis, self._now_ms = estimates, price_basis, now_ms
        self._overhead_tokens = prompt_overhead_tokens

    def tokens(self, job: LeasedJob) -> int:
        """Return the tokens that an attempt is expected to count against the limit."""
        return max(1, round(self._expected_tokens(job) * self._estimates.token_ratio(job.model)))

    def reserve_ticks(self, job: LeasedJob) -> int | None:
        """Return the ticks that an attempt of a job reserves; None if its model has no known price."""
        costs = self._estimates.costs(job.model)
        return reserve_ticks(self._day_prices(), job.model, job.prompt_tokens, job.output_tokens_max, costs)

    def is_cost_learnt(self, model: str) -> bool:
        """Return whether enough answers of a model came to know what they cost."""
        return self._estimates.costs(model).is_learnt

    def observe(self, job: ClaimedJob, used_tokens: int | None, ticks: int | None) -> None:
        """Learn from what an answer took, if its job is a sampled one; None where the API did not say it."""
        if not self._estimates.is_sampled(job.model, job.lease.job_id):
            return
        if ticks:
            typical = typical_ticks(self._day_prices(), job.model, job.prompt_tokens, job.output_tokens_max)
            self._estimates.observe_cost(job.model, typical, ticks)
        if used_tokens:
            self._estimates.observe_tokens(job.model, self._expected_tokens(job), used_tokens)

    def _expected_tokens(self, job: LeasedJob | ClaimedJob) -> int:
        """Estimate without what was learnt; a user's setting for hidden overhead replaces the table's."""
        prompt_tokens, own = job.prompt_tokens, self._overhead_tokens
        if own is not None:
            facts = models.facts(job.model)
            prompt_tokens += own - (facts.prompt_overhead_tokens if facts else 0)
        return max(1, tokens.expected_tokens(max(0, prompt_tokens), job.output_tokens_max))

    def _day_prices(self) -> DayPrices:
        return DayPrices(
            at=day_of(self._now_ms()),
            own_prices=self._price_basis.prices,
            base_host=self._price_basis.base_host,
        )
