"""What an attempt is expected to take: tokens of the limit, and ticks of the budget."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from run_driver import claimed_job

from runner.db.workers.leases import Lease, LeasedJob
from runner.engine.runs.cost_bounds import TABLE_PRICES
from runner.engine.sending.job_estimates import JobEstimates
from runner.limiter.estimates import FIRST_RATIO, SharedEstimates
from runner.limiter.store import connect

NOW_MS = 1_790_000_000_000
LEASE = Lease(job_id=1 << 32, gen=1, attempt=1)
JOB = LeasedJob(
    lease=LEASE,
    model="grok-4.3",
    prompt_tokens=1_000,
    output_tokens_max=100,
    body_bytes=1,
    spent=0,
    extras=0,
    due_at_ms=0,
)
CLAIMED = claimed_job(LEASE.job_id, NOW_MS)


def estimates(overhead_tokens: int | None = None) -> tuple[JobEstimates, SharedEstimates]:
    """Return estimates without a Redis."""
    shared = SharedEstimates(connect("unix:///none.sock"))
    return JobEstimates(shared, TABLE_PRICES, lambda: NOW_MS, overhead_tokens), shared


def test_tokens_follow_the_answers() -> None:
    """Twice the estimate at first; then what answers used."""

    async def story() -> None:
        its, shared = estimates()
        first = its.tokens(JOB)
        assert first == round(FIRST_RATIO * its._expected_tokens(JOB))
        for _ in range(300):
            its.observe(CLAIMED, its._expected_tokens(CLAIMED) // 2, None)
        assert its.tokens(JOB) == pytest.approx(first / FIRST_RATIO / 2, rel=0.1)
        await shared.close()

    asyncio.run(story())


def test_a_users_overhead_replaces_the_tables() -> None:
    """The prompt estimate has the table's own in it."""

    async def story() -> None:
        none, shared = estimates(0)
        some, other = estimates(500)
        assert some._expected_tokens(JOB) - none._expected_tokens(JOB) == 500
        assert none._expected_tokens(replace(JOB, prompt_tokens=0)) >= 1
        await shared.close()
        await other.close()

    asyncio.run(story())


def test_costs_are_learnt_from_sampled_answers() -> None:
    """A job that is no sample teaches nothing; a model without a price reserves nothing."""

    async def story() -> None:
        its, shared = estimates()
        before = its.reserve_ticks(JOB)
        assert before is not None
        assert its.reserve_ticks(replace(JOB, model="nobodys-model")) is None
        shared._sample_every["grok-4.3"] = 2
        for _ in range(60):
            its.observe(replace(CLAIMED, lease=replace(LEASE, job_id=LEASE.job_id + 1)), None, 10)
        assert not its.is_cost_learnt("grok-4.3")
        for _ in range(60):
            its.observe(CLAIMED, None, 10)
        assert its.is_cost_learnt("grok-4.3")
        assert (its.reserve_ticks(JOB) or 0) < before
        await shared.close()

    asyncio.run(story())
