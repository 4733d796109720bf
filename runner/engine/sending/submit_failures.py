"""Carries out what follows a POST that brought no request_id (`rules.after_submit` decides it).

From UNAVAILABLE_AFTER failures in a row on the run is `waiting` and says why (after a 429 the progress line
shows a pause of the limiter); what a single job gets again and again ends that job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.db.moves import job_moves
from runner.db.moves.outcomes import Cause, Requeue
from runner.engine.runs import cost_bounds
from runner.engine.sending.sender import PATH_BLOCKED
from runner.rules.costs.uncertain_cost import NO_COST
from runner.rules.explain import explain
from runner.rules.replies import after_submit
from runner.rules.replies.after_submit import AttemptCost, JobPolicy, SubmitMove, SubmitStep
from runner.rules.replies.reply import Classification, Outcome
from runner.rules.sending.failure_pause import ALIKE_MIN
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from runner.db.workers.leases import LeasedJob
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.sending.refused_models import RefusedModels
    from runner.engine.sending.sender import Exchange, NotSent, ReadyAttempt
    from runner.engine.sending.submit_health import SubmitHealth
    from runner.engine.storing.move_jobs import JobMover
    from runner.limiter.limiter import Limiter
    from runner.limiter.slots import Slot
    from runner.rules.costs.uncertain_cost import UncertainCost

MOVES: Final[dict[SubmitMove, job_moves.MoveFunction]] = {
    SubmitMove.NOT_SENT: job_moves.not_sent,
    SubmitMove.REFUSED_FOR_NOW: job_moves.refused_for_now,
    SubmitMove.REFUSED: job_moves.refused,
    SubmitMove.AMBIGUOUS: job_moves.ambiguous,
}


class SubmitFailures:
    """Handles the failed POSTs of one process."""

    def __init__(
        self,
        *,
        runs: ActiveRuns,
        limiter: Limiter,
        health: SubmitHealth,
        refused_models: RefusedModels,
        mover: JobMover,
        now_ms: Callable[[], int],
        random: Random,
    ) -> None:
        self._runs, self._limiter, self._health = runs, limiter, health
        self._refused_models, self._mover = refused_models, mover
        self._now_ms, self._random = now_ms, random

    async def not_sent(self, attempt: ReadyAttempt, why: NotSent) -> None:
        """Requeue or hold a job whose POST did not leave."""
        if why.is_withheld:
            await self._refused_models.withhold_recorded(attempt.job, why.cause)
        elif why.cause.code == PATH_BLOCKED:
            await self._path_is_blocked(attempt)
        else:
            await self._move(attempt.job, SubmitStep(move=SubmitMove.NOT_SENT), why.cause)

    async def handle(self, attempt: ReadyAttempt, exchange: Exchange) -> None:
        """Record the outcome and move the job; pause the limiter or the run where the outcome asks for it."""
        job, found = attempt.job, exchange.classification
        cause = Cause(code=found.code, message=found.message, http_status=exchange.status)
        if found.outcome is Outcome.MODEL_REFUSED:
            self._health.record(job, is_bad=False)
            await self._refused_models.handle(job, cause)
            return
        is_filtered = after_submit.is_firewall_page(found) and await self._health.is_content_filtered(job)
        pause_s = await self._pause_bucket(job, attempt.slot, found, exchange.sent_at_ms)
        step = after_submit.after_submit(
            found,
            self._policy(job),
            pause_s=pause_s,
            rng_unit=self._random.random(),
            is_path_right=after_submit.needs_path_check(found, exchange.status)
            and await self._health.is_path_right(),
            is_content_filtered=is_filtered,
        )
        if step.is_bad is not None:
            self._health.record(job, is_bad=step.is_bad)
        cause = Cause(code=step.code or cause.code, message=cause.message, http_status=cause.http_status)
        await self._pause_run(job.lease.run_id, step, cause, exchange.sent_at_ms)
        await self._move(job, step, cause)
        if step.of_a_value:
            await self._pause_if_all_are_held(job.lease.run_id, cause)

    async def _path_is_blocked(self, attempt: ReadyAttempt) -> None:
        """Requeue a job that was not sent since another server answers; the run waits."""
        why = explain(PATH_BLOCKED)
        blocked = Classification(outcome=Outcome.NOT_SENT, code=PATH_BLOCKED, message=why)
        await self._pause_bucket(attempt.job, attempt.slot, blocked, self._now_ms())
        await self._runs.set_waiting(attempt.job.lease.run_id, why)
        cause = Cause(code=PATH_BLOCKED, message=why)
        await self._move(attempt.job, SubmitStep(move=SubmitMove.NOT_SENT), cause)

    async def _pause_bucket(
        self, job: LeasedJob, slot: Slot, found: Classification, sent_at_ms: int
    ) -> float:
        """Pause the bucket for all workers before the next request leaves; return the seconds.

        The run is set to waiting after several failures.
        """
        if not after_submit.is_counted(found.outcome):
            return 0.0
        in_a_row = self._health.record_failure(sent_at_ms)
        pause = after_submit.pause_after(
            found, in_a_row, self._random.random(), should_probe=self._health.should_probe
        )
        if pause.is_shared:
            self._limiter.pause(slot.bucket, pause.pause_s, rate_limited=pause.is_rate_limited)
        if pause.run_waits:
            await self._runs.set_waiting(job.lease.run_id, found.message)
        return pause.pause_s

    async def _pause_run(self, run_id: int, step: SubmitStep, cause: Cause, sent_at_ms: int) -> None:
        """Pause a run for its account or a setting, or as its submits bring no request_id."""
        if step.pauses is not None:
            await self._runs.pause(run_id, step.pauses, cause.message)
        if cause.code == after_submit.WITHOUT_ID and self._health.record_without_id(sent_at_ms):
            # The API answers free requests, so these may be paid.
            why = f"submits are answered without a request id (HTTP {cause.http_status}: {cause.message})"
            await self._runs.pause(run_id, PauseReason.SETTING, f"{why}; they may be paid")

    async def _pause_if_all_are_held(self, run_id: int, cause: Cause) -> None:
        """Pause a run of whose jobs ALIKE_MIN in a row were held for a value of theirs, and none accepted."""
        held = self._health.record_held(run_id)
        if held >= ALIKE_MIN:
            why = f"the last {held} jobs were all held with {cause.code}: {cause.message}"
            await self._runs.pause(run_id, PauseReason.FAILURES, why)

    async def _move(self, job: LeasedJob, step: SubmitStep, cause: Cause) -> None:
        now_ms = self._now_ms()
        row = Requeue(
            lease=job.lease,
            target=step.target,
            due_at_ms=now_ms + int(step.wait_s * 1000),
            at_ms=now_ms,
            cause=cause,
            uncertain=self._cost(job, step.cost, cause.code),
            spent=step.spent,
        )
        await self._mover.requeue(MOVES[step.move], row)

    def _cost(self, job: LeasedJob, cost: AttemptCost, code: str) -> UncertainCost | None:
        """Return what the attempt may have cost; None where neither a price nor a cost is known."""
        price_basis = self._runs.policy(job.lease.run_id).price_basis
        size = (job.model, job.prompt_tokens, job.output_tokens_max, self._now_ms(), price_basis)
        match cost:
            case AttemptCost.NONE:
                return NO_COST
            case AttemptCost.REFUSAL:
                return cost_bounds.refusal_cost(code)
            case AttemptCost.HIDDEN:
                return cost_bounds.hidden_cost(*size)
            case AttemptCost.UNKNOWN:
                return cost_bounds.uncertain_cost(*size)

    def _policy(self, job: LeasedJob) -> JobPolicy:
        policy = self._runs.policy(job.lease.run_id)
        return JobPolicy(
            spent=job.spent,
            extras=job.extras,
            max_attempts=policy.max_attempts,
            on_ambiguous=policy.on_ambiguous,
        )
