"""What follows a POST that brought no request_id: the job is requeued, held or failed; the pace may slow.

From UNAVAILABLE_AFTER failures in a row on the run is `waiting` and says why (after a 429 the progress line
shows a pause of the limiter); what a single job gets again and again ends that job.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from runner.api import account
from runner.db import job_moves
from runner.db.outcomes import Cause, Requeue
from runner.engine import cost_bounds
from runner.engine.circuit_breaker import Endpoint
from runner.engine.consecutive_failures import UNAVAILABLE_AFTER, ConsecutiveFailures
from runner.engine.firewall_pages import FirewallPages
from runner.rules import retry
from runner.rules.explain import explain
from runner.rules.failure_pause import ALIKE_MIN
from runner.rules.probes import PROBE_WAIT_S_MAX
from runner.rules.reply import Classification, Outcome
from runner.rules.reply_table import FIREWALL_PAGE
from runner.rules.states import Event, JobState, PauseReason
from runner.rules.uncertain_cost import NO_COST

if TYPE_CHECKING:
    from runner.db.leases import LeasedJob
    from runner.engine.refused_models import RefusedModels
    from runner.engine.runtime import Runtime
    from runner.limiter.limiter import Slot
    from runner.rules.uncertain_cost import UncertainCost

WITHOUT_ID_MAX: Final = 3  # submits in a row without a request_id, after which the run pauses
PATH_BLOCKED: Final = "path-blocked"  # the code of an attempt that was not sent for that
WITHOUT_ID: Final = "no-request-id"
REFERENCE_GONE: Final = "reference-gone"


class SubmitFailures:
    """Handles the failed POSTs of one process. `failures_in_a_row` counts them since the last accepted one.

    While `failures_in_a_row.should_probe`, the submitter sends one request at a time.
    """

    def __init__(self, runtime: Runtime, refused_models: RefusedModels) -> None:
        self._runtime, self._refused_models = runtime, refused_models
        self.failures_in_a_row = ConsecutiveFailures()
        self._held_in_a_row: dict[int, int] = {}  # by run
        self._pages = FirewallPages()
        self._without_id = ConsecutiveFailures()
        self._asking = asyncio.Lock()

    @property
    def is_one_at_a_time(self) -> bool:
        """Return whether only one request may be out: the last ones failed, or one without a request_id."""
        return self.failures_in_a_row.should_probe or self._without_id.has_failed

    async def is_path_open(self) -> bool:
        """Return whether the API answers a free request; asked only after a submit without a request_id.

        Such a submit may be paid, so the next one leaves only when the API itself is there.
        """
        if not self._without_id.has_failed:
            return True
        async with self._asking:
            return await account.answers(self._runtime.api)

    async def path_is_blocked(self, job: LeasedJob, slot: Slot) -> None:
        """Requeue a job that was not sent since another server answers; the run waits."""
        runtime = self._runtime
        why = explain(PATH_BLOCKED)
        blocked = Classification(outcome=Outcome.NOT_SENT, code=PATH_BLOCKED, message=why)
        await self._pause_limiter(job, slot, blocked, runtime.now_ms())
        await runtime.set_waiting(job.lease.run_id, why)
        await self.requeue_not_sent(job, Cause(code=PATH_BLOCKED, message=why))

    async def handle(
        self, job: LeasedJob, slot: Slot, classification: Classification, status: int | None, sent_at_ms: int
    ) -> None:
        """Record the outcome and move the job; pause the limiter or the run where the outcome asks for it."""
        runtime, lease = self._runtime, job.lease
        cause = Cause(code=classification.code, message=classification.message, http_status=status)
        match classification.outcome:
            case Outcome.NOT_SENT | Outcome.REFUSED_FOR_NOW:
                await self._retry_later(job, slot, classification, cause, sent_at_ms)
            case Outcome.TRANSIENT:
                await self._transient(job, slot, classification, cause, sent_at_ms)
            case Outcome.MODEL_REFUSED:
                runtime.breaker.record(lease, Endpoint.SUBMIT, bad=False)
                await self._refused_models.handle(job, cause)
            case Outcome.ACCOUNT if status == HTTPStatus.NOT_FOUND and await account.answers(runtime.api):
                # The path is right, so something that this line names is missing.
                gone = replace(cause, code=REFERENCE_GONE)
                await self._end(job, gone, JobState.HELD)
                await self._pause_if_all_are_held(job, gone)
            case Outcome.ACCOUNT:
                assert classification.reason is not None  # noqa: S101 - ACCOUNT means that there is one
                await runtime.pause(lease.run_id, classification.reason, classification.message)
                await self._requeue(job, job_moves.refused_for_now, cause, 0.0)
            case Outcome.REFUSED:
                await self._end(job, cause, JobState.FAILED)
            case Outcome.VALUE_REFUSED:
                await self._end(job, cause, JobState.HELD)
                await self._pause_if_all_are_held(job, cause)
            case _:
                runtime.breaker.record(lease, Endpoint.SUBMIT, bad=True)
                await self._count_without_id(job, classification, status, sent_at_ms)
                await self._pause_limiter(job, slot, classification, sent_at_ms)  # before the next one leaves
                await self._unknown_outcome(job, cause)

    async def _retry_later(
        self, job: LeasedJob, slot: Slot, classification: Classification, cause: Cause, sent_at_ms: int
    ) -> None:
        """Requeue a job that the API did not accept, after a backoff that all workers share."""
        pause_s = await self._pause_limiter(job, slot, classification, sent_at_ms)
        if classification.outcome is Outcome.NOT_SENT:
            await self.requeue_not_sent(job, cause)
        elif classification.code == FIREWALL_PAGE and await self._is_for_this_job_alone(job):
            await self._end(job, cause, JobState.HELD)
        else:
            uncertain = cost_bounds.hidden_cost(*self._size(job)) if classification.may_cost else NO_COST
            await self._requeue(job, job_moves.refused_for_now, cause, pause_s, uncertain=uncertain)

    async def _transient(
        self, job: LeasedJob, slot: Slot, classification: Classification, cause: Cause, sent_at_ms: int
    ) -> None:
        """Requeue a job that was refused for a moment, or fail it when its attempts are spent."""
        await self._pause_limiter(job, slot, classification, sent_at_ms)
        runtime, spent = self._runtime, job.spent + 1
        if spent >= runtime.policy(job.lease.run_id).max_attempts:
            await self._end(job, cause, JobState.FAILED)
            return
        wait_s = retry.backoff_s(spent, runtime.random.random(), classification.retry_after_s)
        await self._requeue(job, job_moves.refused_for_now, cause, wait_s, spent=1)

    async def _is_for_this_job_alone(self, job: LeasedJob) -> bool:
        """Return whether a filter refuses what this job contains: it got pages while other jobs got through.

        Where no job is left without a page, a free POST shows whether the network is open.
        """
        runtime, job_id, run_id = self._runtime, job.lease.job_id, job.lease.run_id
        if (
            not self._pages.record(job_id)
            and self._pages.jobs_of(run_id) >= runtime.unsent_jobs(run_id)
            and runtime.has_accepted(run_id)
            and await account.takes_posts(runtime.api, job.model)
        ):
            self._pages.count(job_id)
        return self._pages.is_filtered(job_id) and await account.answers(runtime.api)

    async def _pause_if_all_are_held(self, job: LeasedJob, cause: Cause) -> None:
        """Pause a run of whose jobs ALIKE_MIN in a row were held for a value of theirs, and none accepted."""
        run_id = job.lease.run_id
        held = self._held_in_a_row.get(run_id, 0) + 1
        self._held_in_a_row[run_id] = held % ALIKE_MIN
        if held >= ALIKE_MIN:
            why = f"the last {held} jobs were all held with {cause.code}: {cause.message}"
            await self._runtime.pause(run_id, PauseReason.FAILURES, why)

    async def _count_without_id(
        self, job: LeasedJob, classification: Classification, status: int | None, sent_at_ms: int
    ) -> None:
        """Pause a run whose submits bring no request_id although the API answers free requests."""
        runtime = self._runtime
        if classification.code != WITHOUT_ID:
            return
        if self._without_id.record_failure(sent_at_ms, runtime.now_ms()) >= WITHOUT_ID_MAX:
            self._without_id.reset()
            why = f"submits are answered without a request id (HTTP {status}: {classification.message})"
            await runtime.pause(job.lease.run_id, PauseReason.SETTING, f"{why}; they may be paid")

    def accepted(self, job: LeasedJob) -> None:
        """Reset what failures before had begun: the API took a job."""
        self.failures_in_a_row.reset()
        self._without_id.reset()
        self._pages.accepted(job.lease.job_id)
        self._held_in_a_row.pop(job.lease.run_id, None)

    async def _end(self, job: LeasedJob, cause: Cause, target: JobState) -> None:
        """Fail or hold a job that was refused; a refusal may cost a fee."""
        runtime = self._runtime
        runtime.breaker.record(job.lease, Endpoint.SUBMIT, bad=False)
        fee = cost_bounds.refusal_cost(cause.code)
        await self._requeue(job, job_moves.refused, cause, 0.0, target, fee)
        runtime.run_monitor.note_ended(job.lease.run_id)

    async def _pause_limiter(
        self, job: LeasedJob, slot: Slot, classification: Classification, sent_at_ms: int
    ) -> float:
        """Pause the bucket for all workers, longer with each failure in a row; return the seconds.

        A single unknown outcome, or a refusal of a moment, pauses nothing. From UNAVAILABLE_AFTER failures on
        the run is set to waiting.
        """
        runtime, limited = self._runtime, classification.code == "rate-limited"
        in_a_row = self.failures_in_a_row.record_failure(sent_at_ms, runtime.now_ms())
        pause_s = retry.backoff_s(in_a_row, runtime.random.random(), classification.retry_after_s)
        if classification.retry_after_s is None:
            pause_s = min(pause_s, PROBE_WAIT_S_MAX)
        is_single = classification.outcome in (Outcome.AMBIGUOUS, Outcome.TRANSIENT)
        if self.failures_in_a_row.should_probe or not is_single:
            runtime.limiter.pause(slot.bucket, pause_s, rate_limited=limited)
        if in_a_row >= UNAVAILABLE_AFTER and not limited:
            await runtime.set_waiting(job.lease.run_id, classification.message)
        return pause_s

    async def _unknown_outcome(self, job: LeasedJob, cause: Cause) -> None:
        runtime, lease = self._runtime, job.lease
        target = retry.next_state(
            Event.AMBIGUOUS,
            attempts_spent=job.spent,
            extras=job.extras,
            max_attempts=runtime.policy(lease.run_id).max_attempts,
            on_ambiguous=runtime.policy(lease.run_id).on_ambiguous,
            retry_helps=retry.is_retryable(cause.code),
        )
        uncertain = cost_bounds.uncertain_cost(*self._size(job))
        await self._requeue(job, job_moves.ambiguous, cause, 0.0, target, uncertain)
        if target is JobState.HELD:
            runtime.run_monitor.note_ended(lease.run_id)

    def _size(self, job: LeasedJob) -> tuple[str, int, int | None, int, cost_bounds.PriceBasis]:
        """Return what the cost of a job's attempt depends on."""
        runtime = self._runtime
        pricing = runtime.pricing(job.lease.run_id)
        return job.model, job.prompt_tokens, job.output_tokens_max, runtime.now_ms(), pricing

    async def requeue_not_sent(self, job: LeasedJob, cause: Cause) -> None:
        """Requeue a job whose POST did not leave."""
        await self._requeue(job, job_moves.not_sent, cause, 0.0)

    async def _requeue(
        self,
        job: LeasedJob,
        move: job_moves.MoveFunction,
        cause: Cause,
        wait_s: float,
        target: JobState = JobState.PENDING,
        uncertain: UncertainCost | None = NO_COST,
        spent: int = 0,
    ) -> None:
        now_ms = self._runtime.now_ms()
        row = Requeue(
            lease=job.lease,
            target=target,
            due_at_ms=now_ms + int(wait_s * 1000),
            at_ms=now_ms,
            cause=cause,
            uncertain=uncertain,
            spent=spent,
        )
        await self._runtime.group_commit.write(move, job.lease.job_id, row)
        self._runtime.submit_wakeup.set()
