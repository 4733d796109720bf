"""What became of an attempt: accepted, answered at once, not sent, or a failure (`submit_failures`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.moves import job_moves
from runner.db.moves.outcomes import Accepted
from runner.engine.sending.sender import NotSent
from runner.engine.storing.spool import AcceptedRecord
from runner.rules.replies.reply import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.db.workers.leases import LeasedJob
    from runner.engine.collecting.answered_at_once import AnswersAtOnce
    from runner.engine.collecting.poll_schedule import PollSchedule
    from runner.engine.sending.refused_models import RefusedModels
    from runner.engine.sending.sender import Exchange, ReadyAttempt
    from runner.engine.sending.submit_failures import SubmitFailures
    from runner.engine.sending.submit_health import SubmitHealth
    from runner.engine.storing.move_jobs import JobMover
    from runner.engine.storing.spool_writer import SpoolWriter


class SubmitOutcomes:
    """Moves the jobs whose attempts this process sent."""

    def __init__(
        self,
        *,
        failures: SubmitFailures,
        answers_at_once: AnswersAtOnce,
        health: SubmitHealth,
        refused_models: RefusedModels,
        spool: SpoolWriter,
        mover: JobMover,
        schedule: PollSchedule,
        now_ms: Callable[[], int],
    ) -> None:
        self._failures, self._answers_at_once = failures, answers_at_once
        self._health, self._refused_models = health, refused_models
        self._spool, self._mover, self._schedule, self._now_ms = spool, mover, schedule, now_ms

    async def conclude(self, attempt: ReadyAttempt, exchange: Exchange | NotSent) -> None:
        """Move the job by what came back, or by why nothing was sent."""
        if isinstance(exchange, NotSent):
            await self._failures.not_sent(attempt, exchange)
            return
        outcome, answer = exchange.classification.outcome, exchange.reply
        if outcome is Outcome.ACCEPTED:
            self._got_through(attempt.job)
            await self._accepted(attempt.job, exchange)
        elif outcome is Outcome.ANSWERED and answer is not None:
            self._got_through(attempt.job)
            await self._answers_at_once.keep(attempt, answer.body, exchange.sent_at_ms)
            await self._health.end_waiting(attempt.job.lease.run_id)
        else:
            await self._failures.handle(attempt, exchange)
        exchange.segment.acknowledge()

    def _got_through(self, job: LeasedJob) -> None:
        """Forget failures before this job: the API took it."""
        self._health.accepted(job)
        self._refused_models.accepted(job)

    async def _accepted(self, job: LeasedJob, exchange: Exchange) -> None:
        """Keep the request_id, in the spool at once, then in the database."""
        lease, now_ms, request_id = job.lease, self._now_ms(), exchange.classification.request_id
        assert request_id is not None  # noqa: S101 - ACCEPTED means that there is one
        segment = self._spool.accepted(
            AcceptedRecord(
                job_id=lease.job_id,
                attempt=lease.attempt,
                sent_at_ms=exchange.sent_at_ms,
                accepted_at_ms=now_ms,
                request_id=request_id,
            )
        )
        wait_s = self._schedule.next_poll_s(job.model, lease.job_id, 0.0)
        row = Accepted(
            lease=lease,
            request_id=request_id,
            sent_at_ms=exchange.sent_at_ms,
            accepted_at_ms=now_ms,
            due_at_ms=now_ms + int(wait_s * 1000),
        )
        await self._mover.poll_later(job_moves.accepted, row)
        if segment is not None:
            segment.acknowledge()
        await self._health.end_waiting(lease.run_id)
