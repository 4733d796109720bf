"""What follows a POST that brought no request_id: the job is requeued, held or failed; the pace may slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db import jobs
from runner.db.outcomes import Back, Cause
from runner.engine import doubt
from runner.engine.breaker import Door
from runner.engine.streak import AWAY_AFTER, PROBE_S_MAX, Streak
from runner.rules import retry
from runner.rules.reply import Outcome, Verdict
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from runner.db.leases import Leased
    from runner.engine.station import Station
    from runner.limiter.limiter import Slot


class TurnedAway:
    """Handles the failed POSTs of one process. `failures_in_a_row` counts them since the last accepted one.

    While `failures_in_a_row.should_probe`, the submitter sends one request at a time.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self.streak = Streak()

    async def judge(
        self, job: Leased, slot: Slot, verdict: Verdict, status: int | None, sent_at_ms: int
    ) -> None:
        """Record the outcome and move the job; pause the limiter or the run where the outcome asks for it."""
        station, lease = self._station, job.lease
        cause = Cause(code=verdict.code, message=verdict.message, http_status=status)
        match verdict.outcome:
            case Outcome.NOT_SENT | Outcome.REFUSED_FOR_NOW:
                await self._retry_later(job, slot, verdict, cause, sent_at_ms)
            case Outcome.ACCOUNT:
                assert verdict.reason is not None  # noqa: S101 - ACCOUNT means that there is one
                await station.pause(lease.run_id, verdict.reason, verdict.message)
                await self._requeue(job, jobs.refused_for_now, cause, 0.0)
            case Outcome.REFUSED:
                station.breaker.ended(lease.run_id, Door.SUBMIT, bad=False)
                ticks = doubt.refusal_ticks(verdict.code)
                await self._requeue(job, jobs.refused, cause, 0.0, JobState.FAILED, ticks)
                station.run_monitor.ended(lease.run_id)
            case _:
                station.breaker.ended(lease.run_id, Door.SUBMIT, bad=True)
                await self._pause_limiter(job, slot, verdict, sent_at_ms)  # before the next one leaves
                await self._unknown_outcome(job, cause)

    async def _retry_later(
        self, job: Leased, slot: Slot, verdict: Verdict, cause: Cause, sent_at_ms: int
    ) -> None:
        """Requeue a job that the API did not accept, after a backoff that all workers share."""
        pause_s = await self._pause_limiter(job, slot, verdict, sent_at_ms)
        if verdict.outcome is Outcome.NOT_SENT:
            await self.not_sent(job, cause)
        else:
            await self._requeue(job, jobs.refused_for_now, cause, pause_s)

    async def _pause_limiter(self, job: Leased, slot: Slot, verdict: Verdict, sent_at_ms: int) -> float:
        """Pause the bucket for all workers, longer with each failure in a row; return the seconds.

        A single unknown outcome pauses nothing. From UNAVAILABLE_AFTER failures on the run is set to waiting.
        """
        station, limited = self._station, verdict.code == "rate-limited"
        in_a_row = self.streak.failed(sent_at_ms, station.now_ms())
        pause_s = retry.backoff_s(in_a_row, station.random.random(), verdict.retry_after_s)
        if verdict.retry_after_s is None:
            pause_s = min(pause_s, PROBE_S_MAX)
        if self.streak.is_serious or verdict.outcome is not Outcome.AMBIGUOUS:
            station.limiter.pause(slot.bucket, pause_s, rate_limited=limited)
        if in_a_row >= AWAY_AFTER and not limited:
            await station.away(job.lease.run_id, verdict.message)
        return pause_s

    async def _unknown_outcome(self, job: Leased, cause: Cause) -> None:
        station, lease = self._station, job.lease
        target = retry.decide(
            Event.AMBIGUOUS,
            attempts_spent=job.spent,
            extras=job.extras,
            max_attempts=station.policy(lease.run_id).max_attempts,
            on_ambiguous=station.policy(lease.run_id).on_ambiguous,
            again_helps=retry.retryable(cause.code),
        )
        ticks = doubt.possible_ticks(
            job.model,
            job.prompt_tokens,
            job.output_tokens_max,
            station.now_ms(),
            station.pricing(lease.run_id),
        )
        await self._requeue(job, jobs.ambiguous, cause, 0.0, target, ticks)
        if target is JobState.HELD:
            station.run_monitor.ended(lease.run_id)

    async def not_sent(self, job: Leased, cause: Cause) -> None:
        """Requeue a job whose POST did not leave."""
        await self._requeue(job, jobs.not_sent, cause, 0.0)

    async def _requeue(
        self,
        job: Leased,
        move: jobs.Move,
        cause: Cause,
        wait_s: float,
        target: JobState = JobState.PENDING,
        possible_ticks: int | None = 0,
    ) -> None:
        now_ms = self._station.now_ms()
        row = Back(
            lease=job.lease,
            target=target,
            due_at_ms=now_ms + int(wait_s * 1000),
            at_ms=now_ms,
            cause=cause,
            possible_ticks=possible_ticks,
        )
        await self._station.committer.write(move, job.lease.job_id, row)
        self._station.submit_bell.set()
