"""Collect: claim waiting jobs that are due, fetch each answer once, keep its bytes, then settle it.

The bytes are in the spool before anything else happens to them, as an answer or as what is none. A GET is
never cancelled, and the HTTP client never repeats one: the API hands an answer out exactly once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runner.api import deferred
from runner.api.client import RequestFailed
from runner.db import job_moves, leases
from runner.db.outcomes import PollAgain
from runner.engine import keep_answers
from runner.engine.fetch_failures import NOT_ASKED, FetchFailures
from runner.engine.runtime import IDLE_S, Runtime
from runner.engine.supervisor import log_failure
from runner.limiter.limiter import LimiterUnavailable
from runner.rules import kept_bytes, polling, reply
from runner.rules.chat_completion import read_completion
from runner.rules.reply import Classification, Outcome, Reply

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.leases import ClaimedJob
    from runner.limiter.limiter import Slot

CLAIM_ROWS = 300
CHARGED_CLAIM_MAX = (
    8  # claimed jobs that wait, if polls need slots: a lease must not expire before its slot comes
)
CLAIM_AHEAD = 200  # claimed jobs that may wait for a connection while the next are claimed
CLAIM_TOGETHER_S = 0.02  # answers that are due within this time are claimed together
URGENT_MS = int(polling.URGENT_AFTER_S * 1000)
URGENT_CHECK_S = 10.0
FETCH_WITHIN_MS = 30_000  # of the lease; GET and its timeouts fit into what is left
NO_SLOT_WAIT_S = 1.0
FULL_DISK_WAIT_S = 2.0

log = logging.getLogger("runner.collect")


class Collector:
    """The collect loop of one process; driven like `Submitter`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._fetches: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks
        self._failures = FetchFailures(runtime)
        self._pending_fetches = 0
        self._fetch_ended = asyncio.Event()
        self._slice_lock = asyncio.Lock()
        self._claim_ahead = CLAIM_AHEAD
        self._urgent_at = 0.0  # loop time of the next search for answers that are about to expire

    async def run_slice(self, seconds: float) -> bool | None:
        """Collect for at most `seconds`; return whether work was left. None: another slice runs already."""
        runtime = self._runtime
        runtime.wake()
        if self._slice_lock.locked():
            return None
        async with self._slice_lock:
            until = runtime.loop.time() + seconds
            while not runtime.stopping and await runtime.active_runs():
                if runtime.loop.time() > until:
                    return True
                runtime.collect_wakeup.clear()
                if await runtime.is_disk_full(await runtime.active_runs()) or not await self._claim():
                    await self._idle()
        return False

    async def _claim(self) -> bool:
        """Claim what is due and start the fetches; return whether more may be due now.

        Answers near the end of their 24 hours go first. They are searched for every URGENT_CHECK_S, and while
        there are more of them than one claim takes, nothing else is claimed.
        """
        await self._wait_for_capacity()
        runtime, now_ms = self._runtime, self._runtime.now_ms()
        is_outage = self._failures.outage.is_on
        if is_outage and (self._pending_fetches or self._seconds_to_probe()):
            return False  # one probe at a time
        rows_max = CLAIM_ROWS if self._claim_ahead == CLAIM_AHEAD else CHARGED_CLAIM_MAX
        rows_max = 1 if is_outage else rows_max
        urgent = not is_outage and runtime.loop.time() >= self._urgent_at

        def claim(connection: Connection, deltas: Deltas) -> tuple[list[ClaimedJob], bool, int | None]:
            found = leases.claim_waiting(
                connection,
                worker=runtime.worker,
                now_ms=now_ms,
                until_ms=now_ms + int(runtime.settings.lease_s * 1000),
                rows_max=rows_max,
                deltas=deltas,
                accepted_before_ms=now_ms - URGENT_MS if urgent else None,
            )
            to_fetch: list[ClaimedJob] = []
            postponed: list[PollAgain] = []
            for job in found:
                if postpone_s := 0.0 if urgent or is_outage else self._postpone_s(job):
                    due_at_ms = now_ms + int(postpone_s * 1000)
                    postponed.append(
                        PollAgain(lease=job.lease, due_at_ms=due_at_ms, misses=job.misses, was_asked=False)
                    )
                else:
                    to_fetch.append(job)
            # In the same transaction, so that no other move comes between the claim and this one.
            job_moves.later(connection, postponed, deltas)
            return to_fetch, len(found) == rows_max, leases.next_due_ms(connection)

        claimed, is_full, runtime.next_due_ms = await runtime.group_commit.execute(claim)
        for job in claimed:
            task = runtime.loop.create_task(
                self._fetch(job, now_ms + FETCH_WITHIN_MS, is_probe=is_outage), name=f"get {job.lease.job_id}"
            )
            self._pending_fetches += 1
            self._fetches.add(task)
            task.add_done_callback(self._fetches.discard)
            task.add_done_callback(log_failure)
        if is_outage:
            if claimed:
                self._failures.outage.begin_probe(runtime.loop.time(), runtime.random.random())
            elif runtime.next_due_ms is None:  # no answer is left that could show its end
                await self._failures.end_outage()
            return False
        if urgent and not is_full:
            self._urgent_at = runtime.loop.time() + URGENT_CHECK_S
        return is_full or urgent

    def _seconds_to_probe(self) -> float:
        return self._failures.outage.seconds_to_probe(self._runtime.loop.time())

    def _postpone_s(self, job: ClaimedJob) -> float:
        """Return the seconds to postpone a due poll, by the latency that was observed since; 0: poll now.

        On PostgreSQL this runs on the thread of the group commit, so it reads only cached values.
        """
        runtime = self._runtime
        age_s = runtime.clock.since_s(job.accepted_at_ms)
        if not age_s:  # the clock was set back: its age is unknown
            return 0.0
        return polling.postpone_s(
            age_s,
            runtime.random.random(),
            latency=runtime.estimates.cached_latency(job.model),
            is_probe=runtime.is_probe(job.model, job.lease.job_id),
            charged=runtime.cached_polls_charged(job.model),
        )

    async def _wait_for_capacity(self) -> None:
        """Wait until few enough claimed jobs wait for a connection."""
        while self._pending_fetches > self._claim_ahead:
            self._fetch_ended.clear()
            await self._fetch_ended.wait()

    async def _idle(self) -> None:
        """Wait until a poll is due, at most IDLE_S; `collect_wakeup` ends the wait for an earlier one."""
        runtime = self._runtime
        began = runtime.loop.time()
        while not runtime.stopping:
            wait_s = IDLE_S
            if runtime.next_due_ms is not None:
                due_s = (runtime.next_due_ms - runtime.now_ms()) / 1000
                wait_s = max(due_s, self._seconds_to_probe(), CLAIM_TOGETHER_S)
            left_s = min(wait_s, began + IDLE_S - runtime.loop.time())
            try:
                await asyncio.wait_for(runtime.collect_wakeup.wait(), max(left_s, 0))
            except TimeoutError:
                return
            runtime.collect_wakeup.clear()

    async def _fetch(self, job: ClaimedJob, fetch_before_ms: int, *, is_probe: bool) -> None:
        """Fetch once, when a connection is free and while the lease is surely valid.

        In an outage only its probe is sent; what was claimed before goes back.
        """
        runtime = self._runtime
        answer: Reply | None = None
        asked_at_ms = 0
        slot = None
        try:
            bucket = runtime.bucket(job.model)
            charged = runtime.polls_charged(job.model)
            self._claim_ahead = CHARGED_CLAIM_MAX if charged else CLAIM_AHEAD
            if charged:
                slot = await self._wait_for_slot(job, bucket, fetch_before_ms)
            async with runtime.http_slots:
                asked_at_ms = runtime.now_ms()
                wait_s = runtime.limiter.paused_until(bucket) - runtime.loop.time()
                if charged and slot is None:
                    wait_s = max(wait_s, NO_SLOT_WAIT_S)
                slot_expired = slot is not None and not runtime.limiter.usable(slot)
                if (
                    runtime.disk.problem()
                ):  # an answer that cannot be kept would be lost: it is handed out once
                    wait_s = max(wait_s, FULL_DISK_WAIT_S)
                must_wait = wait_s > 0 or (self._failures.outage.is_on and not is_probe)
                if runtime.stopping or must_wait or slot_expired or asked_at_ms > fetch_before_ms:
                    classification = Classification(
                        outcome=Outcome.LATER, code=NOT_ASKED, retry_after_s=max(wait_s, 0.0)
                    )
                else:
                    answer = await deferred.fetch(runtime.api, job.request_id)
                    classification = reply.classify_fetch(
                        answer, now_s=asked_at_ms / 1000, secrets=runtime.api.secrets
                    )
                    runtime.limiter.record_poll(bucket, refused=classification.code == "rate-limited")
        except RequestFailed as failed:
            classification = reply.classify_fetch_fault(
                failed.fault, failed.detail, secrets=runtime.api.secrets
            )
        finally:
            self._pending_fetches -= 1
            self._fetch_ended.set()
        if slot is not None:
            end_slot = (
                runtime.limiter.release if classification.code == NOT_ASKED else runtime.limiter.confirm
            )
            end_slot(slot)
        if answer is not None and classification.outcome is Outcome.READY:
            await self._received(job, answer.body)
        else:
            status, body = (None, b"") if answer is None else (answer.status, answer.body)
            body = kept_bytes.without_secrets(body, runtime.api.secrets) if body else body
            await self._failures.handle(job, classification, status, asked_at_ms, body)

    async def _received(self, job: ClaimedJob, body: bytes) -> None:
        """Keep the body of a 200: as an answer, or as an unreadable reply."""
        runtime = self._runtime
        body, answer = kept_bytes.to_keep(body, read_completion(body), runtime.api.secrets)
        if not answer.is_final:
            await self._failures.handle_unreadable(job, body, answer)
            return
        received_at_ms = runtime.now_ms()
        segment = keep_answers.append_to_spool(runtime, job, body, received_at_ms, is_answer=True)
        try:
            await self._failures.answered(job)
        finally:
            await keep_answers.keep(runtime, job, body, answer, received_at_ms)
            if segment is not None:
                segment.acknowledge()

    async def _wait_for_slot(self, job: ClaimedJob, bucket: str, fetch_before_ms: int) -> Slot | None:
        """Wait for a slot without holding a connection; None if there is none in time."""
        runtime = self._runtime
        while not runtime.stopping and runtime.now_ms() < fetch_before_ms:
            try:
                grant = await runtime.limiter.reserve(
                    bucket, [0], runtime.user_limits(), runtime.fallback_limits([job.model]), is_poll=True
                )
            except LimiterUnavailable as error:
                log.warning("limiter.unavailable cause=%s", error)
                return None
            if grant.slots:
                await asyncio.sleep(grant.slots[0].fire_at - runtime.loop.time())
                return grant.slots[0]
            await asyncio.sleep(grant.retry_after_s or 0.0)
        return None
