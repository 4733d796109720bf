"""Submit: lease pending jobs, reserve slots, record the attempts, POST, keep the request ids.

A crash leaves an unknown outcome only for what was in flight. Jobs that were leased but not recorded are
free again, recorded attempts that are not in the spool were never sent, and attempts in the spool without a
reply have an unknown outcome.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from runner.db.connection.driver_errors import first_line
from runner.db.workers import leases
from runner.engine.process.sliced_loop import IDLE_S, SlicedLoop
from runner.engine.sending.leased_queue import LeasedQueue
from runner.limiter.limiter import LimiterUnavailable
from runner.rules.sending import submit_plan
from runner.rules.sending.submit_plan import CHUNK_MAX
from runner.rules.states import RunState

if TYPE_CHECKING:
    from runner.db.workers.leases import LeasedJob
    from runner.engine.dispatch import Dispatcher
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.runs.active_runs import ActiveRun, ActiveRuns
    from runner.engine.sending.attempt_recorder import AttemptRecorder
    from runner.engine.sending.leaser import Leaser
    from runner.engine.sending.record_attempts import RecordedAttempts
    from runner.engine.sending.refused_models import RefusedModels
    from runner.engine.sending.send_checks import SendChecks
    from runner.engine.sending.slot_reservations import SlotReservations
    from runner.engine.sending.submit_health import SubmitHealth
    from runner.engine.sending.turns import Turns
    from runner.limiter.slots import Grant, Slot
    from runner.rules.sending.submit_plan import Batch

CHUNK_BYTES: Final = 32 << 20  # bodies leased in one call
LOOK_AGAIN_S: Final = 0.02  # after what ends soon: an exclusive retry, or a turn of other runs
SLOT_WAIT_S_MIN: Final = 0.005
WITHHELD_CHUNKS: Final = 10  # before other runs have their turn
OVER_BUDGET_WAIT_S: Final = 0.2  # pause of a run whose whole budget is reserved
EMPTY_WAIT_S: Final = 0.1  # before jobs are looked for again where there were none
FAILED_WAIT_S: Final = 5.0  # pause of a run whose last batch ended with an error

log = logging.getLogger("runner.submit")


class Submitter(SlicedLoop):
    """The submit loop of one process: one batch of each run in each round."""

    def __init__(
        self,
        *,
        runs: ActiveRuns,
        wakeups: Wakeups,
        checks: SendChecks,
        leaser: Leaser,
        attempts: AttemptRecorder,
        slots: SlotReservations,
        turns: Turns,
        dispatcher: Dispatcher,
        health: SubmitHealth,
        refused_models: RefusedModels,
    ) -> None:
        super().__init__(runs, wakeups, wakeups.submit)
        self._checks, self._leaser, self._attempts = checks, leaser, attempts
        self._slots, self._turns, self._dispatcher = slots, turns, dispatcher
        self._health, self._refused_models = health, refused_models
        self._queues: dict[int, LeasedQueue] = {}
        self._wait_s = IDLE_S

    async def _round(self) -> bool:
        """Submit one batch of each run; return whether any job was recorded as sent.

        A run whose batch fails is left out for FAILED_WAIT_S. Raises its error if no other run can send.
        """
        self._wait_s, sent = IDLE_S, False
        failed: list[Exception] = []
        sending = {one.run.id: one for one in await self._runs.read() if one.can_submit}
        if not sending or not await self._checks.may_send(list(sending.values())):
            return False
        for run_id in self._turns.begin_round(list(sending)):
            queue = self._queues.setdefault(run_id, LeasedQueue())
            try:
                sent |= await self._submit_batch(sending[run_id], queue)
            except Exception as error:  # it must not keep the other runs waiting
                log.error("run.submit_failed run=%d cause=%s", run_id, first_line(error), exc_info=error)
                queue.paused_until = _now_s() + FAILED_WAIT_S
                failed.append(error)
        if failed and len(failed) == len(sending):
            raise failed[0]
        return sent

    async def _idle(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wakeup.wait(), self._wait_s)

    def _wait_at_most(self, seconds: float) -> None:
        """Look again after so many seconds, if not before."""
        self._wait_s = min(self._wait_s, seconds)

    async def _submit_batch(self, active_run: ActiveRun, queue: LeasedQueue) -> bool:
        """Send as many leased jobs of one run as have slots now; return whether any was recorded as sent."""
        batch = await self._plan(active_run, queue)
        if batch is None:
            self._turns.leave_out(active_run.run.id)
        grant = await self._reserve(active_run, queue, batch) if batch is not None else None
        if batch is None or grant is None:
            return False
        granted = list(batch.jobs[: len(grant.slots)])
        queue.remove(granted)
        recorded, leased = await asyncio.gather(  # in one transaction; both end before an error of one counts
            self._send(granted, grant.slots, active_run, queue),
            self._lease_ahead(active_run, queue),
            return_exceptions=True,
        )
        if isinstance(recorded, BaseException):
            raise recorded
        if leased is not None:
            raise leased
        if recorded is None:
            return False
        if recorded.is_over_budget:
            await self._release_queue(queue)
        return bool(recorded.bodies)

    async def _plan(self, active_run: ActiveRun, queue: LeasedQueue) -> Batch[LeasedJob] | None:
        """Return the leased jobs of one run that may go now; lease more where the queue is empty.

        While probing, one job that has no extras yet goes alone.
        """
        await self._dispatcher.wait_for_replies()
        should_probe = active_run.run.state is RunState.WAITING or self._health.is_one_at_a_time
        state = self._dispatcher.state(should_probe=should_probe)
        if state.must_wait:
            self._wait_at_most(LOOK_AGAIN_S if state.is_exclusive else IDLE_S)
            return None
        closed_s = queue.closed_until - _now_s()
        if closed_s > 0:
            self._wait_at_most(min(closed_s, OVER_BUDGET_WAIT_S))
            return None
        if should_probe:
            await self._lease_probe(active_run, queue)
        if not await self._fill(active_run, queue):
            return None
        buckets = {model: self._slots.bucket(model) for model in {job.model for job in queue.jobs}}
        batch = submit_plan.plan_batch(list(queue.jobs), buckets, state)
        if not batch.jobs:
            self._wait_at_most(LOOK_AGAIN_S)
            return None
        return batch

    async def _lease_probe(self, active_run: ActiveRun, queue: LeasedQueue) -> None:
        """Lease jobs without extras if the queue has none: a probe may be lost."""
        if all(job.extras for job in queue.jobs):
            await self._lease(active_run, queue, without_extras=True)

    async def _reserve(
        self, active_run: ActiveRun, queue: LeasedQueue, batch: Batch[LeasedJob]
    ) -> Grant | None:
        """Ask for slots; None while the limiter is unavailable, or while it is another run's turn."""
        run = active_run.run
        if not self._turns.may_request(run.id, batch.bucket):
            return None
        try:
            grant = await self._slots.for_attempts(batch.bucket, batch.jobs, run)
        except LimiterUnavailable as error:
            await self._checks.limiter_failed([active_run], error)
            return None
        self._turns.record(run.id, batch.bucket, grant)
        queue.chunk = submit_plan.next_chunk(
            queue.chunk, len(grant.slots), is_all=grant.retry_after_s is None
        )
        if grant.retry_after_s is not None:
            wait_s = max(grant.retry_after_s, SLOT_WAIT_S_MIN)
            self._wait_at_most(wait_s)
            queue.own_limit_until = _now_s() + wait_s if grant.is_own_limit else 0.0
        return grant

    async def _fill(self, active_run: ActiveRun, queue: LeasedQueue) -> bool:
        """Lease jobs if the queue is empty, hold those to withhold; return whether any can be sent."""
        for _ in range(WITHHELD_CHUNKS):
            if not queue.jobs and not await self._lease(active_run, queue):
                return False
            held = await self._refused_models.withhold(queue.jobs)
            queue.remove(held)
            if queue.jobs:
                return True
            queue.chunk = min(CHUNK_MAX, queue.chunk * 2)
        self._wait_at_most(LOOK_AGAIN_S)
        return False

    async def _lease_ahead(self, active_run: ActiveRun, queue: LeasedQueue) -> None:
        """Lease more jobs before the queue is empty, so that sending does not wait for the database."""
        if len(queue.jobs) < queue.chunk // 2:
            await self._lease(active_run, queue)

    async def _lease(
        self, active_run: ActiveRun, queue: LeasedQueue, *, without_extras: bool = False
    ) -> bool:
        if queue.empty_until > _now_s() and not self._wakeup.is_set():
            return False
        limits = leases.LeaseLimits(
            rows_max=queue.chunk,
            bytes_max=CHUNK_BYTES,
            ordinals_max=active_run.run.options.limit,
            without_extras=without_extras,
        )
        found = await self._leaser.lease_pending(active_run.run.id, limits)
        queue.add(found)
        if not found and not without_extras:
            queue.empty_until = _now_s() + EMPTY_WAIT_S
        return bool(found)

    async def _send(
        self, granted: list[LeasedJob], slots: list[Slot], active_run: ActiveRun, queue: LeasedQueue
    ) -> RecordedAttempts | None:
        """Record exactly the jobs that have slots, then start their POSTs, each at the time of its slot.

        If they cannot be recorded, they go back to the queue.
        """
        if not granted:
            return None
        try:
            recorded, attempts = await self._attempts.record(granted, slots, active_run)
        except Exception:
            queue.jobs.extendleft(reversed(granted))
            raise
        for attempt in attempts:
            self._dispatcher.start(attempt)
        return recorded

    async def _release_queue(self, queue: LeasedQueue) -> None:
        """Release the queued jobs of a run whose budget is reserved, until answers free some of it."""
        unsent = list(queue.jobs)
        queue.jobs.clear()
        queue.paused_until = _now_s() + OVER_BUDGET_WAIT_S
        self._wait_at_most(OVER_BUDGET_WAIT_S)
        await self._leaser.release(unsent)
        await self._runs.read(fresh=True)

    async def _end_slice(self) -> None:
        """Release the leases of all queued jobs."""
        unsent = [job for queue in self._queues.values() for job in queue.jobs]
        self._queues.clear()
        await self._leaser.release(unsent)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
