"""Requests for slots of the limiter: what each attempt and each poll asks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.limiter.limiter import LimiterUnavailable
from runner.limiter.limits import RunLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.db.runs.run_row import RunRow
    from runner.db.workers.leases import LeasedJob
    from runner.engine.limits.model_buckets import ModelBuckets
    from runner.engine.sending.job_estimates import JobEstimates
    from runner.limiter.limiter import Limiter
    from runner.limiter.slots import Grant, Slot


class SlotReservations:
    """Asks with the limits of the models, which hold until the API announces its own, and of the run."""

    def __init__(self, limiter: Limiter, buckets: ModelBuckets, estimates: JobEstimates) -> None:
        self._limiter, self._buckets, self._estimates = limiter, buckets, estimates

    def bucket(self, model: str) -> str:
        """Return the bucket that requests for a model count in."""
        return self._buckets.name(model)

    async def for_attempts(self, bucket: str, jobs: Sequence[LeasedJob], run: RunRow) -> Grant:
        """Ask for a slot for each of some jobs of a run, once and in order. Raises LimiterUnavailable."""
        return await self._limiter.reserve(
            bucket,
            [self._estimates.tokens(job) for job in jobs],
            self._buckets.fallback_limits(job.model for job in jobs),
            run_limits=RunLimits(run=run.id, rpm=run.options.rpm, tpm=run.options.tpm),
        )

    async def for_poll(self, model: str, may_wait: Callable[[], bool]) -> Slot | None:
        """Return a slot for a poll at the time when it may be used; None if there is none in time.

        `may_wait` returns whether there is time for another try.
        """
        bucket = self._buckets.name(model)
        while may_wait():
            try:
                grant = await self._limiter.reserve(
                    bucket,
                    [0],
                    self._buckets.fallback_limits([model]),
                    is_poll=True,
                )
            except LimiterUnavailable:
                return None
            if grant.slots:
                await self._limiter.wait_for(grant.slots[0])
                return grant.slots[0]
            await asyncio.sleep(grant.retry_after_s or 0.0)
        return None
