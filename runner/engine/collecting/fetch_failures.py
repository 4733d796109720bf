"""Carries out what follows a fetch that brought no answer (`rules.after_fetch` decides it)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.api import account
from runner.db.answers.unreadables import UnreadableReply
from runner.db.moves import job_moves
from runner.db.moves.outcomes import Cause, PollAgain, Requeue
from runner.engine.collecting import unreadable_replies
from runner.engine.collecting.keep_answers import spool_record
from runner.engine.collecting.unreadable_replies import UnreadableFetch
from runner.engine.runs import cost_bounds
from runner.rules.replies import after_fetch, error_body, unreadable
from runner.rules.replies.after_fetch import FetchedJob, FetchMove
from runner.rules.replies.reply import Classification, Outcome
from runner.rules.sending import retry
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from random import Random

    from runner.api.client import XAIClient
    from runner.db.workers.leases import ClaimedJob
    from runner.engine.collecting.fetch_health import FetchHealth
    from runner.engine.collecting.fetch_outage import FetchOutage
    from runner.engine.collecting.poll_schedule import PollSchedule
    from runner.engine.process.shared_clock import SharedClock
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.storing.move_jobs import JobMover
    from runner.engine.storing.spool_writer import SpoolWriter
    from runner.rules.replies.after_fetch import FetchStep
    from runner.rules.replies.chat_completion import Completion

POLL_AGAIN: Final[dict[FetchMove, job_moves.MoveFunction]] = {
    FetchMove.LATER: job_moves.later,
    FetchMove.NOT_READY: job_moves.not_ready,
}
END_ATTEMPT: Final[dict[FetchMove, job_moves.MoveFunction]] = {
    FetchMove.LOST: job_moves.lost,
    FetchMove.GENERATION_FAILED: job_moves.generation_failed,
}


class FetchFailures:
    """Moves the jobs of one process whose fetches brought no answer."""

    def __init__(
        self,
        *,
        api: XAIClient,
        runs: ActiveRuns,
        health: FetchHealth,
        outage: FetchOutage,
        spool: SpoolWriter,
        mover: JobMover,
        schedule: PollSchedule,
        clock: SharedClock,
        random: Random,
    ) -> None:
        self._api, self._runs, self._health, self._outage = api, runs, health, outage
        self._spool, self._mover, self._schedule = spool, mover, schedule
        self._clock, self._random = clock, random

    async def handle(
        self,
        job: ClaimedJob,
        found: Classification,
        status: int | None,
        asked_at_ms: int,
        body: bytes = b"",
    ) -> None:
        """Move a job whose fetch brought no answer, by what the API replied; `body`: without secrets."""
        fetched = FetchedJob(
            age_s=self._clock.since_s(job.accepted_at_ms),
            polls=job.polls,
            misses=job.misses,
            is_interrupted=job.is_interrupted,
        )
        is_of_the_api = after_fetch.needs_origin_check(found, status) and await self._is_of_the_api(body)
        step = after_fetch.after_fetch(found, fetched, is_of_the_api=is_of_the_api)
        await self._report_to_health(job, step, found)
        if step.move is FetchMove.UNREADABLE:
            await self._health.warn_once(job.lease.run_id, found.message)
            what = f"replies that are not the API's (HTTP {status}; check XAI_BASE_URL)"
            await self._count_unreadable(job, body, found, status, what)
        elif step.move in POLL_AGAIN:
            await self._poll_again(job, step, found, fetched.age_s)
        else:
            await self._end_attempt(job, step, found, status)
        if step.is_failure:
            await self._health.failed(job.lease.run_id, found, asked_at_ms)

    async def handle_unreadable(self, job: ClaimedJob, body: bytes, answer: Completion) -> None:
        """Keep a 200 that is no answer and ask again later; from some in a row on the run waits."""
        segment = self._spool.answer(spool_record(job, body, self._clock.now_ms(), is_answer=False))
        found = Classification(outcome=Outcome.LATER, code=answer.kind, message=answer.error or "")
        await self._count_unreadable(job, body, found, 200, unreadable.describe(body))
        if segment is not None:
            segment.acknowledge()

    async def _report_to_health(self, job: ClaimedJob, step: FetchStep, found: Classification) -> None:
        """Report what the reply says of the service, before the job moves."""
        if step.has_replied:
            await self._health.replied(job.lease.run_id)
        if step.pauses is not None:
            await self._runs.pause(job.lease.run_id, step.pauses, found.message)
            await self._health.set_refused(job.lease.run_id, is_refused=True)
        if step.is_bad:
            self._health.lost(job.lease)

    async def _is_of_the_api(self, body: bytes) -> bool:
        """Return whether an error in unknown words is the API's: it has its form, at the API's path."""
        return error_body.has_api_form(body) and await account.answers(self._api)

    async def _count_unreadable(
        self, job: ClaimedJob, body: bytes, found: Classification, status: int | None, what: str
    ) -> None:
        """Count a reply that is no answer, and ask again later or hold the job at the end of its 24 hours."""
        lease, age_s = job.lease, self._clock.since_s(job.accepted_at_ms)
        self._outage.record_unreadable(lease, self._random.random())
        row = UnreadableFetch(
            reply=UnreadableReply(
                job_id=lease.job_id,
                attempt=lease.attempt,
                received_at_ms=self._clock.now_ms(),
                body=body,
            ),
            age_s=age_s,
            rng_unit=self._random.random(),
            misses=job.misses,
            given_up=self._given_up(job, Event.UNUSABLE, found, status),
            held=self._expired(job, body, status) if after_fetch.is_expired(age_s) else None,
            is_foreign=found.outcome is Outcome.FOREIGN,
        )
        await self._mover.count(unreadable_replies.record, lease.job_id, row)
        await self._health.unreadable(what)

    def _expired(self, job: ClaimedJob, body: bytes, status: int | None) -> Requeue:
        message = f"it was {unreadable.describe(body)}"
        found = Classification(outcome=Outcome.LATER, code=after_fetch.UNREADABLE, message=message)
        return replace(self._given_up(job, Event.LOST, found, status), target=JobState.HELD)

    async def _poll_again(
        self, job: ClaimedJob, step: FetchStep, found: Classification, age_s: float
    ) -> None:
        """Poll again after a while: as the step says, by the poll schedule, or by a backoff."""
        wait_s = step.wait_s
        if step.move is FetchMove.NOT_READY:
            self._schedule.observe(job, is_ready=False)
            wait_s = self._schedule.next_poll_s(job.model, job.lease.job_id, age_s)
        elif wait_s is None:
            wait_s = after_fetch.retry_wait_s(job.polls, self._random.random(), found.retry_after_s)
        row = PollAgain(
            lease=job.lease,
            due_at_ms=self._clock.now_ms() + int(wait_s * 1000),
            misses=step.misses,
            was_asked=step.was_asked,
        )
        await self._mover.poll_later(POLL_AGAIN[step.move], row)

    async def _end_attempt(
        self, job: ClaimedJob, step: FetchStep, found: Classification, status: int | None
    ) -> None:
        """End an attempt: the job is sent again, or has its end."""
        row = self._given_up(job, step.event, replace(found, code=step.code or found.code), status)
        row = row if step.target is None else replace(row, target=step.target)
        await self._mover.requeue(END_ATTEMPT[step.move], row)

    def _given_up(self, job: ClaimedJob, event: Event, found: Classification, status: int | None) -> Requeue:
        """Return the move of a job whose attempt ends without an answer."""
        now_ms, policy = self._clock.now_ms(), self._runs.policy(job.lease.run_id)
        target = retry.next_state(
            event,
            attempts_spent=job.spent + 1,
            extras=job.extras,
            max_attempts=policy.max_attempts,
            on_ambiguous=policy.on_ambiguous,
            retry_helps=retry.is_retryable(found.code),
        )
        return Requeue(
            lease=job.lease,
            target=target,
            due_at_ms=now_ms,
            at_ms=now_ms,
            cause=Cause(code=found.code, message=found.message, http_status=status),
            uncertain=cost_bounds.uncertain_cost(
                job.model, job.prompt_tokens, job.output_tokens_max, now_ms, policy.price_basis
            ),
        )
