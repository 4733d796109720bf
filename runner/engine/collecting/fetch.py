"""Fetches the answer of one claimed job, once.

A GET is never cancelled, and the HTTP client never repeats one: the API hands an answer out exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.api import deferred
from runner.api.client import RequestFailed
from runner.rules.replies import after_fetch, reply
from runner.rules.replies.after_fetch import NOT_ASKED, PollState
from runner.rules.replies.reply import Classification, Outcome
from runner.rules.replies.reply_table import RATE_LIMITED

if TYPE_CHECKING:
    import asyncio

    from runner.api.client import XAIClient
    from runner.db.workers.leases import ClaimedJob
    from runner.engine.collecting.fetch_outage import FetchOutage
    from runner.engine.limits.model_buckets import ModelBuckets
    from runner.engine.process.shared_clock import SharedClock
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.sending.slot_reservations import SlotReservations
    from runner.engine.storing.disk_space import DiskSpace
    from runner.limiter.limiter import Limiter
    from runner.limiter.slots import Slot
    from runner.rules.replies.reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a fetch brought: the reply is None where none came whole, or nothing was sent."""

    classification: Classification
    reply: Reply | None
    asked_at_ms: int


class Fetcher:
    """Sends the fetches of one process, each when a connection is free and while its lease surely holds.

    In an outage only its probe is sent; what was claimed before goes back. `start_within_ms`: how long after
    its claim a fetch may be sent.
    """

    def __init__(
        self,
        *,
        api: XAIClient,
        http_slots: asyncio.Semaphore,
        limiter: Limiter,
        slots: SlotReservations,
        buckets: ModelBuckets,
        disk: DiskSpace,
        outage: FetchOutage,
        wakeups: Wakeups,
        clock: SharedClock,
        start_within_ms: int,
    ) -> None:
        self._api, self._http_slots, self._limiter = api, http_slots, limiter
        self._slots, self._buckets, self._disk = slots, buckets, disk
        self._outage, self._wakeups, self._clock = outage, wakeups, clock
        self._start_within_ms = start_within_ms

    async def fetch(
        self, job: ClaimedJob, claimed_at_ms: int, *, is_charged: bool, is_probe: bool
    ) -> Fetched:
        """Fetch once; return what came back. A poll that may not be sent now is NOT_ASKED.

        `is_charged`: it needs a slot of the limiter. `is_probe`: it finds out whether an outage is over.
        """
        before_ms = claimed_at_ms + self._start_within_ms
        slot = None
        if is_charged:  # without holding a connection
            slot = await self._slots.for_poll(job.model, lambda: self._has_time(before_ms))
        async with self._http_slots:
            state = self._poll_state(job, slot, before_ms, is_charged=is_charged, is_probe=is_probe)
            fetched = await self._ask(job, after_fetch.postponed_s(state))
        if slot is not None:
            is_sent = fetched.classification.code != NOT_ASKED
            (self._limiter.confirm if is_sent else self._limiter.release)(slot)
        return fetched

    def _has_time(self, before_ms: int) -> bool:
        return not self._wakeups.is_stopping and self._clock.now_ms() < before_ms

    def _poll_state(
        self, job: ClaimedJob, slot: Slot | None, before_ms: int, *, is_charged: bool, is_probe: bool
    ) -> PollState:
        bucket = self._buckets.name(job.model)
        return PollState(
            paused_s=self._limiter.paused_s(bucket),
            needs_slot=is_charged,
            has_slot=slot is not None,
            is_slot_usable=slot is not None and self._limiter.usable(slot),
            is_disk_full=self._disk.problem() is not None,
            is_outage=self._outage.is_on,
            is_probe=is_probe,
            is_stopping=self._wakeups.is_stopping,
            is_lease_late=self._clock.now_ms() > before_ms,
        )

    async def _ask(self, job: ClaimedJob, postponed_s: float | None) -> Fetched:
        asked_at_ms, secrets = self._clock.now_ms(), self._api.secrets
        if postponed_s is not None:
            later = Classification(outcome=Outcome.LATER, code=NOT_ASKED, retry_after_s=postponed_s)
            return Fetched(classification=later, reply=None, asked_at_ms=asked_at_ms)
        try:
            answer = await deferred.fetch(self._api, job.request_id)
        except RequestFailed as failed:
            found = reply.classify_fetch_fault(failed.fault, failed.detail, secrets=secrets)
            return Fetched(classification=found, reply=None, asked_at_ms=asked_at_ms)
        found = reply.classify_fetch(answer, now_s=asked_at_ms / 1000, secrets=secrets)
        bucket = self._buckets.name(job.model)
        self._limiter.record_poll(bucket, refused=found.code == RATE_LIMITED)
        return Fetched(classification=found, reply=answer, asked_at_ms=asked_at_ms)
