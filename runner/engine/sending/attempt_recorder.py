"""Records the attempts of jobs that have slots, and makes them ready to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.engine.sending.record_attempts import AttemptToSend
from runner.engine.sending.sender import ReadyAttempt
from runner.rules.requests import request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.db.workers.leases import LeasedJob
    from runner.engine.runs.active_runs import ActiveRun
    from runner.engine.sending.job_estimates import JobEstimates
    from runner.engine.sending.leaser import Leaser
    from runner.engine.sending.record_attempts import RecordedAttempts
    from runner.limiter.limiter import Limiter
    from runner.limiter.slots import Slot


class AttemptRecorder:
    """Gives back the slots of attempts that could not be recorded.

    `start_within_ms`: how long after it was recorded an attempt may be sent.
    """

    def __init__(
        self,
        leaser: Leaser,
        limiter: Limiter,
        estimates: JobEstimates,
        *,
        now_ms: Callable[[], int],
        start_within_ms: int,
    ) -> None:
        self._leaser, self._limiter, self._estimates = leaser, limiter, estimates
        self._now_ms, self._start_within_ms = now_ms, start_within_ms

    async def record(
        self, granted: Sequence[LeasedJob], slots: Sequence[Slot], active_run: ActiveRun
    ) -> tuple[RecordedAttempts, list[ReadyAttempt]]:
        """Record the attempts of jobs of one run; return what was recorded, and what to send."""
        now_ms = self._now_ms()
        wanted = [
            AttemptToSend(job=job, slot=slot.id, reserve_ticks=self._estimates.reserve_ticks(job))
            for job, slot in zip(granted, slots, strict=True)
        ]
        try:
            recorded = await self._leaser.record_attempts(
                wanted,
                active_run.run.options,
                are_costs_unknown=not all(self._estimates.is_cost_learnt(job.model) for job in granted),
            )
        except Exception:
            for slot in slots:
                self._limiter.release(slot)
            raise
        attempts: list[ReadyAttempt] = []
        for job, slot in zip(granted, slots, strict=True):
            if job.lease.job_id not in recorded.bodies:  # taken over, or refused by a bound of the run
                self._limiter.release(slot)
                continue
            body, conv_id = recorded.bodies[job.lease.job_id]
            attempts.append(
                ReadyAttempt(
                    job=job,
                    slot=slot,
                    body=request.splice_deferred(body),  # here, so that the unspliced body can be freed
                    conv_id=conv_id,
                    send_before_ms=now_ms + self._start_within_ms,
                )
            )
        return recorded, attempts
