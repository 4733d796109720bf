"""One POST of one attempt: at the time of its slot, noted in the spool, then what its reply means."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.api import deferred
from runner.api.client import RequestFailed
from runner.db import job_moves
from runner.db.outcomes import Accepted, Cause
from runner.engine.answered_at_once import keep_answer
from runner.engine.circuit_breaker import Endpoint
from runner.engine.refused_models import RefusedModels
from runner.engine.spool import AcceptedRecord, Segment
from runner.engine.submit_failures import PATH_BLOCKED, SubmitFailures
from runner.rules import kept_bytes, polling, reply
from runner.rules.chat_completion import read_completion
from runner.rules.identity import attempt_name
from runner.rules.reply import Classification, Outcome, Reply

if TYPE_CHECKING:
    from runner.db.leases import LeasedJob
    from runner.engine.consecutive_failures import ConsecutiveFailures
    from runner.engine.runtime import Runtime
    from runner.limiter.limiter import Slot

log = logging.getLogger("runner.submit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A POST that left, and what came back: the reply is None where none came whole."""

    segment: Segment  # with its record in the spool, to be acknowledged
    sent_at_ms: int
    classification: Classification
    reply: Reply | None


class Poster:
    """Sends the attempts of one process. `failures_in_a_row.should_probe`: one request at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sent = 0  # POSTs that have left and have no reply yet
        self.refused_models = RefusedModels(runtime)
        self._failures = SubmitFailures(runtime, self.refused_models)

    @property
    def failures_in_a_row(self) -> ConsecutiveFailures:
        """Return the failures since the last accepted attempt."""
        return self._failures.failures_in_a_row

    async def send(
        self, job: LeasedJob, slot: Slot, body: bytes, conv_id: str | None, send_before_ms: int
    ) -> Exchange | Cause | str:
        """POST once, at the time of the slot; return what came back, or why nothing was sent.

        A cause: its model was refused several times after the attempt was recorded. A text: the code of what
        passes.
        """
        runtime = self._runtime
        await self._wait_for_slot(slot)
        if not await self._failures.is_path_open():
            return PATH_BLOCKED
        async with runtime.http_slots:
            if cause := self.refused_models.withheld_for(job):
                return cause
            sent_at_ms = runtime.now_ms()
            segment = self._record_send(job, slot, is_late=sent_at_ms > send_before_ms)
            if isinstance(segment, str):
                return segment
            self._sent += 1
            try:
                classification, answer = await self._exchange(job, slot, body, conv_id, sent_at_ms)
            finally:
                self._sent -= 1
        return Exchange(segment=segment, sent_at_ms=sent_at_ms, classification=classification, reply=answer)

    async def conclude(self, job: LeasedJob, slot: Slot, exchange: Exchange | Cause | str) -> None:
        """Move the job by what came back, or hold or requeue it by why nothing was sent."""
        runtime = self._runtime
        if not isinstance(exchange, Exchange):
            runtime.limiter.release(slot)
            if isinstance(exchange, Cause):
                await self.refused_models.withhold_recorded(job, exchange)
            elif exchange == PATH_BLOCKED:
                await self._failures.path_is_blocked(job, slot)
            else:
                await self._failures.requeue_not_sent(job, Cause(code=exchange))
            return
        classification, answer = exchange.classification, exchange.reply
        if classification.outcome is Outcome.NOT_SENT:
            runtime.limiter.release(slot)
        else:
            runtime.limiter.confirm(slot)
        if classification.outcome is Outcome.ACCEPTED:
            await self._accepted(job, classification, exchange.sent_at_ms, exchange.segment)
            return
        if classification.outcome is Outcome.ANSWERED and answer is not None:
            self._got_through(job)
            body, found = kept_bytes.to_keep(answer.body, read_completion(answer.body), runtime.api.secrets)
            await keep_answer(runtime, job, slot, body, found, exchange.sent_at_ms)
            await runtime.end_waiting(job.lease.run_id)
        else:
            status = answer.status if answer else None
            await self._failures.handle(job, slot, classification, status, exchange.sent_at_ms)
        exchange.segment.acknowledge()

    async def _exchange(
        self, job: LeasedJob, slot: Slot, body: bytes, conv_id: str | None, sent_at_ms: int
    ) -> tuple[Classification, Reply | None]:
        """POST once; return the classification, and the reply if there was one."""
        runtime = self._runtime
        try:
            name = attempt_name(job.lease.job_id, job.lease.attempt)
            answer = await deferred.submit(runtime.api, body, conv_id, name)
        except RequestFailed as failed:
            return reply.classify_submit_fault(failed.fault, failed.detail, secrets=runtime.api.secrets), None
        limits = deferred.announced_limits(answer)
        runtime.limiter.announce(slot.bucket, *limits)
        runtime.run_monitor.note_limits(slot.bucket, *limits)
        return reply.classify_submit(answer, now_s=sent_at_ms / 1000, secrets=runtime.api.secrets), answer

    async def _wait_for_slot(self, slot: Slot) -> None:
        delay_s = slot.fire_at - self._runtime.loop.time()
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
        if not runtime.limiter.usable(slot) or (self._failures.is_one_at_a_time and self._sent):
            return "slot-passed"  # while probing, one request at a time is enough to lose
        return runtime.record_send(job.lease.job_id, job.lease.attempt) or "spool-failed"

    def _got_through(self, job: LeasedJob) -> None:
        """Reset what failures before this job had begun: the API took it."""
        runtime = self._runtime
        self._failures.accepted(job)
        self.refused_models.accepted(job)
        runtime.breaker.record(job.lease, Endpoint.SUBMIT, bad=False)

    async def _accepted(
        self, job: LeasedJob, classification: Classification, sent_at_ms: int, segment: Segment
    ) -> None:
        runtime, lease, now_ms = self._runtime, job.lease, self._runtime.now_ms()
        self._got_through(job)
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
