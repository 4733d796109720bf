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
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING

from runner.api import deferred
from runner.api.client import RequestFailed
from runner.db import job_moves, leases
from runner.db.driver_errors import first_line
from runner.db.outcomes import Accepted, Cause
from runner.engine import record_attempts, reservation
from runner.engine.circuit_breaker import Endpoint
from runner.engine.runtime import IDLE_S, Runtime
from runner.engine.spool import AcceptedRecord, Segment
from runner.engine.submit_failures import SubmitFailures
from runner.engine.supervisor import log_failure
from runner.limiter.limiter import LimiterUnavailable, Slot
from runner.rules import polling, reply, request, retry
from runner.rules.identity import attempt_name
from runner.rules.reply import Classification, Outcome
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.leases import Lease, LeasedJob
    from runner.engine.active_runs import ActiveRun

CHUNK_FIRST, CHUNK_MAX = 16, 300
CHUNK_BYTES = 32 << 20  # bodies leased in one call
UNSENT_BYTES_MAX = 24 << 20  # bodies in memory that wait for a reply; a single job of any size always fits
UNREPLIED_PER_CONNECTION = 64
SEND_WITHIN_MS = 30_000  # of the lease; POST and its timeouts fit into what is left
EXCLUSIVE_RETRY_WAIT_S = 0.02
OVER_BUDGET_WAIT_S = 0.2  # pause of a run whose whole budget is reserved
FAILED_WAIT_S = 5.0  # pause of a run whose last batch ended with an error

log = logging.getLogger("runner.submit")


@dataclass(slots=True)
class LeasedQueue:
    """The leased jobs of one run that wait for slots. Times are loop times."""

    jobs: deque[LeasedJob] = field(default_factory=deque)
    chunk: int = CHUNK_FIRST
    empty_until: float = 0.0
    paused_until: float = 0.0  # no batch before this time: the budget allows none, or the last one failed
    sent_in_round: int = 0

    def add(self, found: Sequence[LeasedJob]) -> None:
        """Append jobs that were just leased; a job that waits here under an expired lease is replaced.

        With both leases in the queue it would be sent twice.
        """
        again = {job.lease.job_id for job in found}
        self.jobs = deque(job for job in self.jobs if job.lease.job_id not in again)
        self.jobs.extend(found)


class Submitter:
    """The submit loop of one process; a Celery task drives it for one time slice (`turn`) at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._queues: dict[int, LeasedQueue] = {}
        self._posts: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks
        self._unreplied = 0  # recorded attempts without a reply
        self._unreplied_bytes = 0
        self._sent = 0  # those of them whose POST has left
        self._is_exclusive = False  # the one recorded attempt is an exclusive retry
        self._rounds = 0
        self._replied = asyncio.Event()
        self._failures = SubmitFailures(runtime)
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
        should_probe = (
            active_run.run.state is RunState.WAITING or self._failures.failures_in_a_row.should_probe
        )
        if should_probe:  # one probe at a time
            if self._unreplied:
                return False
            capacity = 1
            await self._choose_probe(active_run, queue)
        if queue.paused_until > runtime.loop.time():
            self._wait_s = min(self._wait_s, OVER_BUDGET_WAIT_S)
            return False
        if not queue.jobs and not await self._lease(active_run, queue):
            return False
        buckets = {model: runtime.bucket(model) for model in {job.model for job in queue.jobs}}
        bucket = buckets[queue.jobs[0].model]
        chosen = self._allowed_now([job for job in queue.jobs if buckets[job.model] == bucket][:capacity])
        chosen = self._fits_memory(chosen)
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
        ids = {job.lease.job_id for job in granted}
        queue.jobs = deque(job for job in queue.jobs if job.lease.job_id not in ids)
        _, recorded = await asyncio.gather(  # in one transaction
            self._lease_ahead(active_run, queue), self._send(granted, grant.slots, active_run)
        )
        if recorded is not None and recorded.is_over_budget:
            await self._release_queue(queue)
        return recorded is not None and bool(recorded.bodies)

    async def _choose_probe(self, active_run: ActiveRun, queue: LeasedQueue) -> None:
        """Put jobs without extras first: a probe may be lost, and a job that is lost three times is held."""
        if all(job.extras for job in queue.jobs):
            await self._lease(active_run, queue, without_extras=True)
        queue.jobs = deque(sorted(queue.jobs, key=lambda job: job.extras))

    def _allowed_now(self, jobs: list[LeasedJob]) -> list[LeasedJob]:
        """Return the jobs that may go now: a job on its last automatic retry goes alone.

        If it is what ended the process twice, no other job is in flight when it does so again.
        """
        if self._is_exclusive:
            return []
        if _is_last_try(jobs[0]):
            return [] if self._unreplied else jobs[:1]
        return list(takewhile(lambda job: not _is_last_try(job), jobs))

    def _fits_memory(self, jobs: list[LeasedJob]) -> list[LeasedJob]:
        """Return the first jobs whose bodies fit into UNSENT_BYTES_MAX, with those that wait for a reply."""
        bytes_held, count = self._unreplied_bytes, 0
        for job in jobs:
            bytes_held += job.body_bytes
            if bytes_held > UNSENT_BYTES_MAX and bytes_held > job.body_bytes:
                break
            count += 1
        return jobs[:count]

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
        self, granted: list[LeasedJob], slots: list[Slot], active_run: ActiveRun
    ) -> record_attempts.RecordedAttempts | None:
        """Record exactly the jobs that have slots, then start their POSTs, each at the time of its slot."""
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
        for job, slot in zip(granted, slots, strict=True):
            if (
                job.lease.job_id not in recorded.bodies
            ):  # another worker has it, or a bound of the run refused it
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
            self._is_exclusive |= _is_last_try(job)
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
        runtime = self._runtime
        try:
            await self._wait_for_slot(slot)
            async with runtime.http_slots:
                sent_at_ms = runtime.now_ms()
                segment = self._record_send(job, slot, is_late=sent_at_ms > send_before_ms)
                if not isinstance(segment, str):
                    self._sent += 1
                    try:
                        classification, status = await self._exchange(job, slot, body, conv_id, sent_at_ms)
                    finally:
                        self._sent -= 1
        finally:
            self._unreplied -= 1
            self._unreplied_bytes -= job.body_bytes
            self._is_exclusive = self._is_exclusive and self._unreplied > 0
            self._replied.set()
        if isinstance(segment, str):
            runtime.limiter.release(slot)
            await self._failures.requeue_not_sent(job, Cause(code=segment))
            return
        if classification.outcome is Outcome.NOT_SENT:
            runtime.limiter.release(slot)
        else:
            runtime.limiter.confirm(slot)
        if classification.outcome is Outcome.ACCEPTED:
            await self._accepted(job, classification, sent_at_ms, segment)
        else:
            await self._failures.handle(job, slot, classification, status, sent_at_ms)
            segment.acknowledge()

    async def _exchange(
        self, job: LeasedJob, slot: Slot, body: bytes, conv_id: str | None, sent_at_ms: int
    ) -> tuple[Classification, int | None]:
        """POST once; return the classification, and the HTTP status if there was a reply."""
        runtime = self._runtime
        try:
            name = attempt_name(job.lease.job_id, job.lease.attempt)
            answer = await deferred.submit(runtime.api, body, conv_id, name)
        except RequestFailed as failed:
            return reply.classify_submit_fault(failed.fault, failed.detail), None
        limits = deferred.announced_limits(answer)
        runtime.limiter.announce(slot.bucket, *limits)
        runtime.run_monitor.note_limits(slot.bucket, *limits)
        return reply.classify_submit(answer, now_s=sent_at_ms / 1000), answer.status

    async def _wait_for_slot(self, slot: Slot) -> None:
        runtime = self._runtime
        delay_s = slot.fire_at - runtime.loop.time()
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    def _record_send(self, job: LeasedJob, slot: Slot, *, is_late: bool) -> Segment | str:
        """Write the POST to the spool right before it leaves; return its segment, or why it must stay."""
        runtime = self._runtime
        if runtime.stopping:
            return "stopping"
        if not runtime.is_running(job.lease.run_id):
            return "paused"
        if is_late:
            return "too-late"
        if not runtime.limiter.usable(slot) or (self._failures.failures_in_a_row.should_probe and self._sent):
            return "slot-passed"  # while probing, one request at a time is enough to lose
        return runtime.record_send(job.lease.job_id, job.lease.attempt) or "spool-failed"

    async def _accepted(
        self, job: LeasedJob, classification: Classification, sent_at_ms: int, segment: Segment
    ) -> None:
        runtime, lease, now_ms = self._runtime, job.lease, self._runtime.now_ms()
        self._failures.failures_in_a_row.reset()
        runtime.breaker.record(lease.run_id, Endpoint.SUBMIT, bad=False)
        assert classification.request_id is not None  # noqa: S101 - ACCEPTED means that there is one
        record = AcceptedRecord(
            job_id=lease.job_id,
            attempt=lease.attempt,
            sent_at_ms=sent_at_ms,
            accepted_at_ms=now_ms,
            request_id=classification.request_id,
        )
        spooled = [segment]
        try:
            spooled.append(runtime.spool.append_accepted(record))
        except OSError as error:  # the database may still take what a full disk cannot
            log.error("spool.failed cause=%s", error)
            runtime.disk.write_failed(error)
        wait_s = polling.next_poll_s(
            0.0,
            runtime.random.random(),
            latency=runtime.estimates.latency(job.model),
            is_probe=runtime.is_probe(job.model, lease.job_id),
            charged=runtime.polls_charged(job.model),
        )
        due_at_ms = now_ms + int(wait_s * 1000)
        await runtime.group_commit.write(
            job_moves.accepted,
            lease.job_id,
            Accepted(
                lease=lease,
                request_id=classification.request_id,
                sent_at_ms=sent_at_ms,
                accepted_at_ms=now_ms,
                due_at_ms=due_at_ms,
            ),
        )
        for one in spooled:
            one.acknowledge()
        await runtime.end_waiting(lease.run_id)
        runtime.wake_collector_at(due_at_ms)

    async def _release_all(self) -> None:
        """Release the leases of all queued jobs at the end of a time slice."""
        unsent: list[Lease] = [job.lease for queue in self._queues.values() for job in queue.jobs]
        self._queues.clear()
        if unsent:
            await self._runtime.group_commit.execute(lambda connection, _: leases.release(connection, unsent))


def _is_last_try(job: LeasedJob) -> bool:
    """Return whether a job is held if the outcome of this attempt is unknown too."""
    return job.extras >= retry.AUTOMATIC_EXTRAS_MAX
