"""Sends one attempt: waits for its slot, records the POST in the spool, and sends it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.api import deferred
from runner.api.client import RequestFailed
from runner.db.moves.outcomes import Cause
from runner.rules.identity import attempt_name
from runner.rules.replies import reply
from runner.rules.replies.reply import Outcome

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from runner.api.client import XAIClient
    from runner.db.workers.leases import LeasedJob
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.runs.run_monitor import RunMonitor
    from runner.engine.sending.refused_models import RefusedModels
    from runner.engine.sending.submit_health import SubmitHealth
    from runner.engine.storing.spool import Segment
    from runner.engine.storing.spool_writer import SpoolWriter
    from runner.limiter.limiter import Limiter
    from runner.limiter.slots import Slot
    from runner.rules.replies.reply import Classification, Reply

PATH_BLOCKED: Final = "path-blocked"  # another server answers in place of the API
STOPPING: Final = "stopping"
PAUSED: Final = "paused"
TOO_LATE: Final = "too-late"
SLOT_PASSED: Final = "slot-passed"
SPOOL_FAILED: Final = "spool-failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyAttempt:
    """A recorded attempt with its slot and body. `send_before_ms`: while its lease surely holds."""

    job: LeasedJob
    slot: Slot
    body: bytes
    conv_id: str | None
    send_before_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Why a POST did not leave. `is_withheld`: the job's model was refused meanwhile, so it is held."""

    cause: Cause
    is_withheld: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A POST that left, and what came back: the reply is None where none came whole."""

    segment: Segment  # with its record in the spool, to be acknowledged
    sent_at_ms: int
    classification: Classification
    reply: Reply | None

    @property
    def status(self) -> int | None:
        """Return the HTTP status of the reply, if there was one."""
        return self.reply.status if self.reply is not None else None


class Sender:
    """Sends the attempts of one process."""

    def __init__(
        self,
        *,
        api: XAIClient,
        http_slots: asyncio.Semaphore,
        limiter: Limiter,
        runs: ActiveRuns,
        spool: SpoolWriter,
        health: SubmitHealth,
        refused_models: RefusedModels,
        monitor: RunMonitor,
        wakeups: Wakeups,
        now_ms: Callable[[], int],
    ) -> None:
        self._api, self._http_slots, self._limiter = api, http_slots, limiter
        self._runs, self._spool, self._health = runs, spool, health
        self._refused_models, self._monitor = refused_models, monitor
        self._wakeups, self._now_ms = wakeups, now_ms
        self._unreplied = 0  # POSTs that have left and have no reply yet

    async def send(self, attempt: ReadyAttempt) -> Exchange | NotSent:
        """POST once, at the time of the slot; return what came back, or why nothing was sent.

        The slot is confirmed, or released if no byte can have left.
        """
        sent = await self._send(attempt)
        if isinstance(sent, NotSent) or sent.classification.outcome is Outcome.NOT_SENT:
            self._limiter.release(attempt.slot)
        else:
            self._limiter.confirm(attempt.slot)
        return sent

    async def _send(self, attempt: ReadyAttempt) -> Exchange | NotSent:
        await self._limiter.wait_for(attempt.slot)
        if not await self._health.is_path_open():
            return NotSent(cause=Cause(code=PATH_BLOCKED))
        async with self._http_slots:
            if withheld := self._refused_models.withheld_for(attempt.job):
                return NotSent(cause=withheld, is_withheld=True)
            sent_at_ms = self._now_ms()
            if code := self._reason_to_stay(attempt, sent_at_ms):
                return NotSent(cause=Cause(code=code))
            segment = self._spool.sent(attempt.job.lease.job_id, attempt.job.lease.attempt)
            if segment is None:
                return NotSent(cause=Cause(code=SPOOL_FAILED))
            self._unreplied += 1
            try:
                classification, answer = await self._post(attempt, sent_at_ms)
            finally:
                self._unreplied -= 1
        return Exchange(segment=segment, sent_at_ms=sent_at_ms, classification=classification, reply=answer)

    def _reason_to_stay(self, attempt: ReadyAttempt, now_ms: int) -> str | None:
        """Return the code of why a POST must not leave now; None if it may."""
        if self._wakeups.is_stopping:
            return STOPPING
        if not self._runs.is_submitting(attempt.job.lease.run_id):
            return PAUSED
        if now_ms > attempt.send_before_ms:
            return TOO_LATE
        if self._health.is_one_at_a_time and self._unreplied:  # one request is enough to lose
            return SLOT_PASSED
        return None if self._limiter.usable(attempt.slot) else SLOT_PASSED

    async def _post(self, attempt: ReadyAttempt, sent_at_ms: int) -> tuple[Classification, Reply | None]:
        """POST once; return the classification, and the reply if there was one."""
        api, lease, slot = self._api, attempt.job.lease, attempt.slot
        try:
            name = attempt_name(lease.job_id, lease.attempt)
            answer = await deferred.submit(api, attempt.body, attempt.conv_id, name)
        except RequestFailed as failed:
            return reply.classify_submit_fault(failed.fault, failed.detail, secrets=api.secrets), None
        limits = deferred.announced_limits(answer)
        self._limiter.announce(slot.bucket, *limits)
        self._monitor.note_limits(slot.bucket, *limits)
        return reply.classify_submit(answer, now_s=sent_at_ms / 1000, secrets=api.secrets), answer
