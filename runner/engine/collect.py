"""Collect: claim waiting jobs that are due, fetch each answer once, keep its bytes, then settle it.

The bytes are in the spool before anything parses them. A GET is never cancelled, and the HTTP client never
repeats one: the API hands an answer out exactly once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runner.api import deferred
from runner.api.client import RequestFailed
from runner.db import job_moves, leases, result_costs
from runner.db.outcomes import Cause, PollAgain, Requeue, Settled
from runner.db.results import Received
from runner.engine import cost_bounds, reservation, settle
from runner.engine.circuit_breaker import Endpoint
from runner.engine.consecutive_failures import UNAVAILABLE_AFTER, ConsecutiveFailures
from runner.engine.runtime import IDLE_S, Runtime
from runner.engine.spool import AnswerRecord
from runner.engine.supervisor import log_failure
from runner.limiter.limiter import LimiterUnavailable
from runner.rules import polling, reply, retry
from runner.rules.reply import Classification, Outcome, Reply
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

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
NOT_FOUND_MAX = 2
NOT_FOUND_WAIT_S = 2.0
NO_SLOT_WAIT_S = 1.0
FULL_DISK_WAIT_S = 2.0
NOT_ASKED = "paused"  # the code of a poll that was not sent: a pause, the end of the process or of the lease
ACCOUNT_WAIT_S = 30.0  # between polls while the account is refused

log = logging.getLogger("runner.collect")


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedAnswer:
    """An answer and how it was settled, written in one transaction."""

    received: Received
    settled: Settled


def store_and_settle(connection: Connection, rows: Sequence[CollectedAnswer], deltas: Deltas) -> set[int]:
    """Store answers, settle their jobs; return the ids of those that moved. Late results are only priced."""
    moved = job_moves.stored_and_settled(connection, [(row.received, row.settled) for row in rows], deltas)
    late = [row.settled for row in rows if (row.settled.job_id, row.settled.attempt) not in moved]
    if late:
        result_costs.count_late_results(connection, late, deltas)
    return {job_id for job_id, _ in moved}


class Collector:
    """The collect loop of one process; driven like `Submitter`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._fetches: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks
        self._failures = ConsecutiveFailures()
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
        rows_max = CLAIM_ROWS if self._claim_ahead == CLAIM_AHEAD else CHARGED_CLAIM_MAX
        urgent = runtime.loop.time() >= self._urgent_at

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
                if postpone_s := 0.0 if urgent else self._postpone_s(job):
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
                self._fetch(job, now_ms + FETCH_WITHIN_MS), name=f"get {job.lease.job_id}"
            )
            self._pending_fetches += 1
            self._fetches.add(task)
            task.add_done_callback(self._fetches.discard)
            task.add_done_callback(log_failure)
        if urgent and not is_full:
            self._urgent_at = runtime.loop.time() + URGENT_CHECK_S
        return is_full or urgent

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
                wait_s = max((runtime.next_due_ms - runtime.now_ms()) / 1000, CLAIM_TOGETHER_S)
            left_s = min(wait_s, began + IDLE_S - runtime.loop.time())
            try:
                await asyncio.wait_for(runtime.collect_wakeup.wait(), max(left_s, 0))
            except TimeoutError:
                return
            runtime.collect_wakeup.clear()

    async def _fetch(self, job: ClaimedJob, fetch_before_ms: int) -> None:
        """Fetch once, when a connection is free and while the lease is surely valid."""
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
                if runtime.stopping or wait_s > 0 or slot_expired or asked_at_ms > fetch_before_ms:
                    classification = Classification(
                        outcome=Outcome.LATER, code=NOT_ASKED, retry_after_s=max(wait_s, 0.0)
                    )
                else:
                    answer = await deferred.fetch(runtime.api, job.request_id)
                    classification = reply.classify_fetch(answer, now_s=asked_at_ms / 1000)
                    runtime.limiter.record_poll(bucket, refused=classification.code == "rate-limited")
        except RequestFailed as failed:
            classification = reply.classify_fetch_fault(failed.fault, failed.detail)
        finally:
            self._pending_fetches -= 1
            self._fetch_ended.set()
        if slot is not None:
            end_slot = (
                runtime.limiter.release if classification.code == NOT_ASKED else runtime.limiter.confirm
            )
            end_slot(slot)
        if answer is not None and classification.outcome is Outcome.READY:
            await self._keep_answer(job, answer.body)
        else:
            await self._no_answer(job, classification, answer.status if answer else None, asked_at_ms)

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

    async def _keep_answer(self, job: ClaimedJob, body: bytes) -> None:
        runtime, lease, now_ms = self._runtime, job.lease, self._runtime.now_ms()
        runtime.breaker.record(lease.run_id, Endpoint.FETCH, bad=False)
        await self._api_answered(lease.run_id)
        segment = None
        try:
            segment = runtime.spool.append_answer(
                AnswerRecord(
                    job_id=lease.job_id,
                    attempt=lease.attempt,
                    received_at_ms=now_ms,
                    request_id=job.request_id,
                    body=body,
                )
            )
        except OSError as error:  # the database may still take what the spool could not
            log.error("spool.failed cause=%s", error)
            runtime.disk.write_failed(error)
        subject = settle.StoredAnswer(
            job_id=lease.job_id,
            attempt=lease.attempt,
            model=job.model,
            prompt_tokens=job.prompt_tokens,
            output_tokens_max=job.output_tokens_max,
            spent=job.spent,
            extras=job.extras,
            accepted_at_ms=job.accepted_at_ms,
        )
        received = Received(
            job_id=lease.job_id,
            attempt=lease.attempt,
            request_id=job.request_id,
            body=body,
            sha256=hashlib.sha256(body).hexdigest(),
            received_at_ms=now_ms,
        )
        try:
            settled = settle.settle(subject, body, policy=runtime.policy(lease.run_id), now_ms=now_ms)
        except Exception:  # the answer is kept all the same; the reaper tries to settle it again
            log.exception("settle.failed job=%d", lease.job_id)
            await runtime.group_commit.write(job_moves.stored, lease.job_id, received)
        else:
            await runtime.group_commit.write(
                store_and_settle, lease.job_id, CollectedAnswer(received=received, settled=settled)
            )
            self._after_settled(job, settled)
        if segment is not None:
            segment.acknowledge()

    def _after_settled(self, job: ClaimedJob, settled: Settled) -> None:
        """Update the estimates, then wake the part of the worker that goes on with the job."""
        runtime = self._runtime
        self._observe(job, settled)
        if settled.target is JobState.PENDING:
            runtime.submit_wakeup.set()
        else:
            runtime.run_monitor.note_ended(job.lease.run_id)

    def _observe(self, job: ClaimedJob, settled: Settled) -> None:
        runtime, cost = self._runtime, settled.cost
        if cost.total_tokens:
            runtime.settle_tokens(job, cost.total_tokens)
        if not runtime.estimates.is_sampled(job.model, job.lease.job_id):
            return
        self._observe_latency(job, runtime.clock.since_s(job.accepted_at_ms), ready=True)
        if cost.ticks:
            reservation.observe_cost(runtime, job, cost.ticks)
        if cost.total_tokens:
            runtime.observe_tokens(job, cost.total_tokens)

    def _observe_latency(self, job: ClaimedJob, age_s: float, *, ready: bool) -> None:
        learned, charged = self._runtime.estimates, self._runtime.polls_charged(job.model)
        asked_s = polling.last_poll_age_s(
            age_s, job.polls, latency=learned.latency(job.model), charged=charged
        )
        learned.observe_latency(job.model, asked_s, age_s, ready=ready)

    async def _no_answer(
        self, job: ClaimedJob, classification: Classification, status: int | None, asked_at_ms: int
    ) -> None:
        """Move a job whose fetch brought no answer, by what the API replied."""
        runtime = self._runtime
        age_s = runtime.clock.since_s(job.accepted_at_ms)
        match classification.outcome:
            case Outcome.NOT_READY if age_s > polling.GIVE_UP_AFTER_S:
                await self._hold_for_person(job, classification, status, code="never-ready")
            case Outcome.NOT_READY:
                await self._api_answered(job.lease.run_id)
                if runtime.estimates.is_sampled(job.model, job.lease.job_id):
                    self._observe_latency(job, age_s, ready=False)
                wait_s = polling.next_poll_s(
                    age_s,
                    runtime.random.random(),
                    latency=runtime.estimates.latency(job.model),
                    is_probe=runtime.is_probe(job.model, job.lease.job_id),
                    charged=runtime.polls_charged(job.model),
                )
                await self._poll_again(job, job_moves.not_ready, wait_s, job.misses)
            case Outcome.ACCOUNT:
                assert classification.reason is not None  # noqa: S101 - ACCOUNT means that there is one
                await runtime.pause(job.lease.run_id, classification.reason, classification.message)
                await self._poll_again(job, job_moves.later, ACCOUNT_WAIT_S, job.misses)
            case Outcome.GONE if age_s > polling.EXPIRES_AFTER_S:
                await self._hold_for_person(job, classification, status, code="expired")
            case Outcome.GONE if job.misses + 1 < NOT_FOUND_MAX and retry.is_retryable(classification.code):
                await self._poll_again(job, job_moves.later, NOT_FOUND_WAIT_S, job.misses + 1)
            case Outcome.GONE:
                runtime.breaker.record(job.lease.run_id, Endpoint.FETCH, bad=True)
                await self._requeue_lost(job, job_moves.lost, Event.LOST, classification, status)
            case Outcome.GENERATION_FAILED:
                await self._requeue_lost(
                    job, job_moves.generation_failed, Event.GENERATION_FAILED, classification, status
                )
            case _ if classification.code == NOT_ASKED:
                await self._poll_again(
                    job, job_moves.later, classification.retry_after_s or 0.0, job.misses, asked=False
                )
            case _:
                await self._retry_later(job, classification, asked_at_ms)

    async def _retry_later(self, job: ClaimedJob, classification: Classification, asked_at_ms: int) -> None:
        """Poll again after a backoff; after UNAVAILABLE_AFTER failures a run that only collects waits."""
        runtime = self._runtime
        wait_s = retry.backoff_s(min(job.polls, 6), runtime.random.random(), classification.retry_after_s)
        await self._poll_again(job, job_moves.later, max(wait_s, 0.2), job.misses)
        in_a_row = self._failures.record_failure(asked_at_ms, runtime.now_ms())
        if (
            in_a_row >= UNAVAILABLE_AFTER
            and classification.code != "rate-limited"
            and runtime.has_nothing_to_submit(job.lease.run_id)
        ):
            await runtime.set_waiting(job.lease.run_id, classification.message)

    async def _api_answered(self, run_id: int) -> None:
        """The API answered: end the wait of a run that only collects; for others their submits decide."""
        self._failures.reset()
        if self._runtime.has_nothing_to_submit(run_id):
            await self._runtime.end_waiting(run_id)

    async def _hold_for_person(
        self, job: ClaimedJob, classification: Classification, status: int | None, *, code: str
    ) -> None:
        """Hold a job whose answer can no longer come; a person decides whether to pay again."""
        classification = replace(classification, code=code)
        await self._requeue_lost(job, job_moves.lost, Event.LOST, classification, status, JobState.HELD)

    async def _poll_again(
        self, job: ClaimedJob, move: job_moves.MoveFunction, wait_s: float, misses: int, *, asked: bool = True
    ) -> None:
        due_at_ms = self._runtime.now_ms() + int(wait_s * 1000)
        row = PollAgain(lease=job.lease, due_at_ms=due_at_ms, misses=misses, was_asked=asked)
        await self._runtime.group_commit.write(move, job.lease.job_id, row)
        self._runtime.wake_collector_at(due_at_ms)

    async def _requeue_lost(
        self,
        job: ClaimedJob,
        move: job_moves.MoveFunction,
        event: Event,
        classification: Classification,
        status: int | None,
        target: JobState | None = None,
    ) -> None:
        runtime, now_ms, policy = (
            self._runtime,
            self._runtime.now_ms(),
            self._runtime.policy(job.lease.run_id),
        )
        target = target or retry.next_state(
            event,
            attempts_spent=job.spent + 1,
            extras=job.extras,
            max_attempts=policy.max_attempts,
            on_ambiguous=policy.on_ambiguous,
            retry_helps=retry.is_retryable(classification.code),
        )
        row = Requeue(
            lease=job.lease,
            target=target,
            due_at_ms=now_ms,
            at_ms=now_ms,
            cause=Cause(code=classification.code, message=classification.message, http_status=status),
            unread=cost_bounds.unread_cost(
                job.model, job.prompt_tokens, job.output_tokens_max, now_ms, policy.pricing
            ),
        )
        await runtime.group_commit.write(move, job.lease.job_id, row)
        if target is JobState.PENDING:
            runtime.submit_wakeup.set()
        else:
            runtime.run_monitor.note_ended(job.lease.run_id)
