"""Submit: lease pending jobs, reserve slots, record the attempts, POST, keep the request ids.

A crash leaves an unknown outcome only for what was in flight. Jobs that were leased but not recorded are
free again, recorded attempts that are not in the spool were never sent, and attempts in the spool without a
reply have an unknown outcome.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.db import leases
from runner.db.driver_errors import first_line
from runner.engine import record_attempts, reservation, submit_plan
from runner.engine.leased_queue import CHUNK_MAX, LeasedQueue
from runner.engine.post import Poster
from runner.engine.runtime import IDLE_S, Runtime
from runner.engine.supervisor import log_failure
from runner.limiter.limiter import LimiterUnavailable, Slot
from runner.rules import request
from runner.rules.states import RunState

if TYPE_CHECKING:
    from runner.db.leases import LeasedJob
    from runner.engine.active_runs import ActiveRun

CHUNK_BYTES = 32 << 20  # bodies leased in one call
UNREPLIED_PER_CONNECTION = 64
SEND_WITHIN_MS = 30_000  # of the lease; POST and its timeouts fit into what is left
EXCLUSIVE_RETRY_WAIT_S = 0.02
WITHHELD_CHUNKS = 10  # before other runs have their turn
OVER_BUDGET_WAIT_S = 0.2  # pause of a run whose whole budget is reserved
FAILED_WAIT_S = 5.0  # pause of a run whose last batch ended with an error

log = logging.getLogger("runner.submit")


class Submitter:
    """The submit loop of one process; a Celery task drives it for one time slice at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._queues: dict[int, LeasedQueue] = {}
        self._posts: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks
        self._unreplied = 0  # recorded attempts without a reply
        self._unreplied_bytes = 0
        self._is_exclusive = False  # the one recorded attempt is an exclusive retry
        self._rounds = 0
        self._replied = asyncio.Event()
        self._poster = Poster(runtime)
        self._wait_s = IDLE_S
        self._slice_lock = asyncio.Lock()

    async def run_slice(self, seconds: float) -> bool | None:
        """Submit for at most `seconds`, one batch of each run in each round; return whether work was left.

        None: another slice runs already, and was woken.
        """
        runtime = self._runtime
        runtime.wake()
        if self._slice_lock.locked():
            return None
        async with self._slice_lock:
            until = runtime.loop.time() + seconds
            try:
                while not runtime.stopping and await runtime.active_runs():
                    if runtime.loop.time() > until:
                        return True
                    runtime.submit_wakeup.clear()
                    if not await self._round():
                        await self._idle()
            finally:
                await self._release_all()
        return False

    async def _round(self) -> bool:
        """Submit one batch of each run; return whether any job was recorded as sent.

        A run whose batch fails is left out for FAILED_WAIT_S. Raises its error if no other run can send.
        """
        self._wait_s, sent = IDLE_S, False
        failed: list[Exception] = []
        sending = [active_run for active_run in await self._runtime.active_runs() if active_run.can_submit]
        if sending and await self._runtime.can_send(sending):
            self._rounds += 1
            for active_run in sorted(sending, key=self._sent_in_round):
                queue = self._queues.setdefault(active_run.run.id, LeasedQueue())
                try:
                    if await self._submit_batch(active_run, queue):
                        sent = True
                        queue.sent_in_round = self._rounds
                except Exception as error:  # it must not keep the other runs waiting
                    run_id = active_run.run.id
                    log.error("run.submit_failed run=%d cause=%s", run_id, first_line(error), exc_info=error)
                    queue.paused_until = self._runtime.loop.time() + FAILED_WAIT_S
                    failed.append(error)
        if failed and len(failed) == len(sending):
            raise failed[0]
        return sent

    def _sent_in_round(self, active_run: ActiveRun) -> int:
        """Return in which round a run sent last. The first run of a round may take all slots."""
        queue = self._queues.get(active_run.run.id)
        return queue.sent_in_round if queue is not None else 0

    async def _idle(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._runtime.submit_wakeup.wait(), self._wait_s)

    async def _submit_batch(self, active_run: ActiveRun, queue: LeasedQueue) -> bool:
        """Send as many leased jobs of one run as have slots now; return whether any was recorded as sent.

        Leases more where the queue is empty. While probing, one job that has no extras yet goes alone.
        """
        runtime, capacity = self._runtime, await self._wait_for_capacity()
        should_probe = active_run.run.state is RunState.WAITING or self._poster.failures_in_a_row.should_probe
        if should_probe:  # one probe at a time
            if self._unreplied:
                return False
            capacity = 1
            await self._choose_probe(active_run, queue)
        if queue.paused_until > runtime.loop.time():
            self._wait_s = min(self._wait_s, OVER_BUDGET_WAIT_S)
            return False
        if not await self._fill(active_run, queue):
            return False
        buckets = {model: runtime.bucket(model) for model in {job.model for job in queue.jobs}}
        bucket = buckets[queue.jobs[0].model]
        chosen = submit_plan.may_go_now(
            [job for job in queue.jobs if buckets[job.model] == bucket][:capacity],
            unreplied=self._unreplied,
            unreplied_bytes=self._unreplied_bytes,
            is_exclusive=self._is_exclusive,
        )
        if not chosen:
            self._wait_s = min(self._wait_s, EXCLUSIVE_RETRY_WAIT_S)
            return False
        try:
            grant = await runtime.limiter.reserve(
                bucket,
                [runtime.estimate_tokens(job) for job in chosen],
                runtime.user_limits(),
                runtime.fallback_limits(job.model for job in chosen),
            )
        except LimiterUnavailable as error:
            log.warning("limiter.unavailable cause=%s", error)
            await runtime.set_waiting(active_run.run.id, runtime.redis_advice(error))
            return False
        if grant.retry_after_s is not None:
            self._wait_s = min(self._wait_s, max(grant.retry_after_s, 0.005))
            queue.chunk = max(4, min(queue.chunk, 4 * len(grant.slots)))
        else:
            queue.chunk = min(CHUNK_MAX, queue.chunk * 2)
        granted = chosen[: len(grant.slots)]
        queue.remove(granted)
        _, recorded = await asyncio.gather(  # in one transaction
            self._lease_ahead(active_run, queue), self._send(granted, grant.slots, active_run, queue)
        )
        if recorded is not None and recorded.is_over_budget:
            await self._release_queue(queue)
        return recorded is not None and bool(recorded.bodies)

    async def _fill(self, active_run: ActiveRun, queue: LeasedQueue) -> bool:
        """Lease jobs if the queue is empty, hold those to withhold; return whether any can be sent."""
        for _ in range(WITHHELD_CHUNKS):
            if not queue.jobs and not await self._lease(active_run, queue):
                return False
            held = await self._poster.refused_models.withhold(queue.jobs)
            queue.remove(held)
            if queue.jobs:
                return True
            queue.chunk = min(CHUNK_MAX, queue.chunk * 2)
        self._wait_s = min(self._wait_s, EXCLUSIVE_RETRY_WAIT_S)
        return False

    async def _choose_probe(self, active_run: ActiveRun, queue: LeasedQueue) -> None:
        """Put jobs without extras first: a probe may be lost, and a job that is lost three times is held."""
        if all(job.extras for job in queue.jobs):
            await self._lease(active_run, queue, without_extras=True)
        queue.jobs = deque(sorted(queue.jobs, key=lambda job: job.extras))

    async def _wait_for_capacity(self) -> int:
        """Wait until at most half of the allowed attempts have no reply; return how many more may go."""
        most = UNREPLIED_PER_CONNECTION * self._runtime.settings.concurrency
        while self._unreplied > most // 2:
            self._replied.clear()
            await self._replied.wait()
        return most - self._unreplied

    async def _lease_ahead(self, active_run: ActiveRun, queue: LeasedQueue) -> None:
        """Lease more jobs before the queue is empty, so that sending does not wait for the database."""
        if len(queue.jobs) < queue.chunk // 2:
            await self._lease(active_run, queue)

    async def _lease(
        self, active_run: ActiveRun, queue: LeasedQueue, *, without_extras: bool = False
    ) -> bool:
        runtime, run = self._runtime, active_run.run
        if queue.empty_until > runtime.loop.time() and not runtime.submit_wakeup.is_set():
            return False
        now_ms = runtime.now_ms()
        limits = leases.LeaseLimits(
            rows_max=queue.chunk,
            bytes_max=CHUNK_BYTES,
            ordinals_max=run.options.limit,
            without_extras=without_extras,
        )
        found = await runtime.group_commit.execute(
            lambda connection, _: leases.lease_pending(
                connection,
                limits,
                run_id=run.id,
                worker=runtime.worker,
                now_ms=now_ms,
                until_ms=now_ms + int(runtime.settings.lease_s * 1000),
            )
        )
        queue.add(found)
        if not found and not without_extras:
            queue.empty_until = runtime.loop.time() + 0.1
        return bool(found)

    async def _send(
        self, granted: list[LeasedJob], slots: list[Slot], active_run: ActiveRun, queue: LeasedQueue
    ) -> record_attempts.RecordedAttempts | None:
        """Record exactly the jobs that have slots, then start their POSTs, each at the time of its slot.

        If they cannot be recorded, they go back to the queue, and their slots to the limiter.
        """
        if not granted:
            return None
        runtime, now_ms = self._runtime, self._runtime.now_ms()
        until_ms = now_ms + int(runtime.settings.lease_s * 1000)
        wanted = [
            record_attempts.AttemptToSend(
                job=job, slot=slot.id, reserve_ticks=reservation.ticks_to_reserve(runtime, job)
            )
            for job, slot in zip(granted, slots, strict=True)
        ]
        costs_unknown = not runtime.estimates.costs(granted[0].model).is_learnt
        try:
            recorded = await runtime.group_commit.execute(
                lambda connection, deltas: record_attempts.record_attempts(
                    connection,
                    deltas,
                    wanted,
                    options=active_run.run.options,
                    costs_unknown=costs_unknown,
                    worker=runtime.worker,
                    now_ms=now_ms,
                    until_ms=until_ms,
                )
            )
        except Exception:
            queue.jobs.extendleft(reversed(granted))
            for slot in slots:
                runtime.limiter.release(slot)
            raise
        for job, slot in zip(granted, slots, strict=True):
            if job.lease.job_id not in recorded.bodies:  # taken over, or refused by a bound of the run
                runtime.limiter.release(slot)
                continue
            body, conv_id = recorded.bodies[job.lease.job_id]
            posted = request.splice_deferred(body)  # here, so that the unspliced body can be freed
            task = runtime.loop.create_task(
                self._post(job, slot, posted, conv_id, now_ms + SEND_WITHIN_MS),
                name=f"post {job.lease.job_id}",
            )
            self._unreplied += 1
            self._unreplied_bytes += job.body_bytes
            self._is_exclusive |= submit_plan.is_last_try(job)
            self._posts.add(task)
            task.add_done_callback(self._posts.discard)
            task.add_done_callback(log_failure)
        return recorded

    async def _release_queue(self, queue: LeasedQueue) -> None:
        """Release the queued jobs of a run whose budget is reserved, until answers free some of it."""
        runtime, unsent = self._runtime, [job.lease for job in queue.jobs]
        queue.jobs.clear()
        queue.paused_until = runtime.loop.time() + OVER_BUDGET_WAIT_S
        self._wait_s = min(self._wait_s, OVER_BUDGET_WAIT_S)
        if unsent:
            await runtime.group_commit.execute(lambda connection, _: leases.release(connection, unsent))
        await runtime.active_runs(fresh=True)

    async def _post(
        self, job: LeasedJob, slot: Slot, body: bytes, conv_id: str | None, send_before_ms: int
    ) -> None:
        try:
            exchange = await self._poster.send(job, slot, body, conv_id, send_before_ms)
        finally:
            self._unreplied -= 1
            self._unreplied_bytes -= job.body_bytes
            self._is_exclusive = self._is_exclusive and self._unreplied > 0
            self._replied.set()
        await self._poster.conclude(job, slot, exchange)

    async def _release_all(self) -> None:
        """Release the leases of all queued jobs at the end of a time slice."""
        unsent = [job.lease for queue in self._queues.values() for job in queue.jobs]
        self._queues.clear()
        if unsent:
            await self._runtime.group_commit.execute(lambda connection, _: leases.release(connection, unsent))
