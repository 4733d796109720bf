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
from runner.api.xai import Failed
from runner.db import collected, jobs, leases
from runner.db.outcomes import Back, Cause, NotYet, Settled
from runner.db.results import Received
from runner.engine import allowance, doubt, settle
from runner.engine.breaker import Door
from runner.engine.spool import Answer
from runner.engine.station import IDLE_S, Station
from runner.engine.streak import AWAY_AFTER, Streak
from runner.engine.supervisor import log_failure
from runner.limiter.limiter import LimiterUnavailable
from runner.rules import polling, reply, retry
from runner.rules.reply import Outcome, Reply, Verdict
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.leases import Claimed
    from runner.limiter.limiter import Slot

CLAIM_ROWS = 300
CHARGED_AHEAD = (
    8  # claimed jobs that wait, if polls need slots: a lease must not expire before its slot comes
)
CLAIMED_AHEAD = 200  # claimed jobs that may wait for a connection while the next are claimed
TOGETHER_S = 0.02  # answers that are due within this time are claimed together
URGENT_MS = int(polling.URGENT_AFTER_S * 1000)
URGENT_LOOK_S = 10.0
FETCH_WITHIN_MS = 30_000  # of the lease; GET and its timeouts fit into what is left
MISSES_MAX = 2
MISS_WAIT_S = 2.0
NO_SLOT_WAIT_S = 1.0
FULL_DISK_WAIT_S = 2.0
UNASKED = "paused"  # the code of a poll that was not sent: a pause, the end of the process or of the lease
TROUBLE_WAIT_S = 30.0  # between polls while the account is refused

log = logging.getLogger("runner.collect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """An answer and how it was settled, written in one transaction."""

    received: Received
    settled: Settled


def keep(connection: Connection, rows: Sequence[Collected], deltas: Deltas) -> set[int]:
    """Store answers, settle their jobs; return the ids of those that moved. Late results are only priced."""
    moved = jobs.answered(connection, [(row.received, row.settled) for row in rows], deltas)
    late = [row.settled for row in rows if (row.settled.job_id, row.settled.attempt) not in moved]
    if late:
        collected.came_late(connection, late, deltas)
    return {job_id for job_id, _ in moved}


class Collect:
    """The collect loop of one process; driven like `Submit`."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._fetches: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks
        self._failures = Streak()
        self._pending_fetches = 0
        self._fetch_ended = asyncio.Event()
        self._turn = asyncio.Lock()
        self._claim_ahead = CLAIMED_AHEAD
        self._urgent_at = 0.0  # loop time of the next search for answers that are about to expire

    async def turn(self, seconds: float) -> bool:
        """Collect for at most `seconds`; return whether work was left when the time was over."""
        station = self._station
        station.wake()
        if self._turn.locked():
            return False
        async with self._turn:
            until = station.loop.time() + seconds
            while not station.stopping and await station.active():
                if station.loop.time() > until:
                    return True
                station.collect_bell.clear()
                if await station.is_full(await station.active()) or not await self._claim():
                    await self._idle()
        return False

    async def _claim(self) -> bool:
        """Claim what is due and start the fetches; return whether more may be due now.

        Answers near the end of their 24 hours go first. They are searched for every URGENT_LOOK_S, and while
        there are more of them than one claim takes, nothing else is claimed.
        """
        await self._wait_for_capacity()
        station, now_ms = self._station, self._station.now_ms()
        rows_max = CLAIM_ROWS if self._claim_ahead == CLAIMED_AHEAD else CHARGED_AHEAD
        urgent = station.loop.time() >= self._urgent_at

        def claim(connection: Connection, deltas: Deltas) -> tuple[list[Claimed], bool, int | None]:
            found = leases.claim_waiting(
                connection,
                worker=station.worker,
                now_ms=now_ms,
                until_ms=now_ms + int(station.settings.lease_s * 1000),
                rows_max=rows_max,
                deltas=deltas,
                accepted_before_ms=now_ms - URGENT_MS if urgent else None,
            )
            to_fetch: list[Claimed] = []
            postponed: list[NotYet] = []
            for job in found:
                if postpone_s := 0.0 if urgent else self._postpone_s(job):
                    due_at_ms = now_ms + int(postpone_s * 1000)
                    postponed.append(
                        NotYet(lease=job.lease, due_at_ms=due_at_ms, misses=job.misses, asked=False)
                    )
                else:
                    to_fetch.append(job)
            # In the same transaction, so that no other move comes between the claim and this one.
            jobs.later(connection, postponed, deltas)
            return to_fetch, len(found) == rows_max, leases.next_due_ms(connection)

        claimed, is_full, station.next_due_ms = await station.committer.ask(claim)
        for job in claimed:
            task = station.loop.create_task(
                self._fetch(job, now_ms + FETCH_WITHIN_MS), name=f"get {job.lease.job_id}"
            )
            self._pending_fetches += 1
            self._fetches.add(task)
            task.add_done_callback(self._fetches.discard)
            task.add_done_callback(log_failure)
        if urgent and not is_full:
            self._urgent_at = station.loop.time() + URGENT_LOOK_S
        return is_full or urgent

    def _postpone_s(self, job: Claimed) -> float:
        """Return the seconds to postpone a due poll, by the latency that was observed since; 0: poll now.

        On PostgreSQL this runs on the thread of the group commit, so it reads only cached values.
        """
        station = self._station
        age_s = station.clock.since_s(job.accepted_at_ms)
        if not age_s:  # the clock was set back: its age is unknown
            return 0.0
        return polling.hold_s(
            age_s,
            station.random.random(),
            latency=station.learned.known_latency(job.model),
            scout=station.scouts(job.model, job.lease.job_id),
            charged=station.known_charged(job.model),
        )

    async def _wait_for_capacity(self) -> None:
        """Wait until few enough claimed jobs wait for a connection."""
        while self._pending_fetches > self._claim_ahead:
            self._fetch_ended.clear()
            await self._fetch_ended.wait()

    async def _idle(self) -> None:
        """Wait until a poll is due, at most IDLE_S; `collect_wakeup` ends the wait for an earlier one."""
        station = self._station
        began = station.loop.time()
        while not station.stopping:
            wait_s = IDLE_S
            if station.next_due_ms is not None:
                wait_s = max((station.next_due_ms - station.now_ms()) / 1000, TOGETHER_S)
            left_s = min(wait_s, began + IDLE_S - station.loop.time())
            try:
                await asyncio.wait_for(station.collect_bell.wait(), max(left_s, 0))
            except TimeoutError:
                return
            station.collect_bell.clear()

    async def _fetch(self, job: Claimed, fetch_before_ms: int) -> None:
        """Fetch once, when a connection is free and while the lease is surely valid."""
        station = self._station
        answer: Reply | None = None
        asked_at_ms = 0
        slot = None
        try:
            bucket = station.bucket(job.model)
            charged = station.polls_charged(job.model)
            self._claim_ahead = CHARGED_AHEAD if charged else CLAIMED_AHEAD
            if charged:
                slot = await self._wait_for_slot(job, bucket, fetch_before_ms)
            async with station.http:
                asked_at_ms = station.now_ms()
                wait_s = station.limiter.paused_until(bucket) - station.loop.time()
                if charged and slot is None:
                    wait_s = max(wait_s, NO_SLOT_WAIT_S)
                slot_expired = slot is not None and not station.limiter.usable(slot)
                if (
                    station.disk.trouble()
                ):  # an answer that cannot be kept would be lost: it is handed out once
                    wait_s = max(wait_s, FULL_DISK_WAIT_S)
                if station.stopping or wait_s > 0 or slot_expired or asked_at_ms > fetch_before_ms:
                    verdict = Verdict(outcome=Outcome.LATER, code=UNASKED, retry_after_s=max(wait_s, 0.0))
                else:
                    answer = await deferred.fetch(station.api, job.request_id)
                    verdict = reply.of_fetch(answer, now_s=asked_at_ms / 1000)
                    station.limiter.polled(bucket, refused=verdict.code == "rate-limited")
        except Failed as failed:
            verdict = reply.of_fetch_fault(failed.fault, failed.detail)
        finally:
            self._pending_fetches -= 1
            self._fetch_ended.set()
        if slot is not None:
            end_slot = station.limiter.release if verdict.code == UNASKED else station.limiter.confirm
            end_slot(slot)
        if answer is not None and verdict.outcome is Outcome.READY:
            await self._keep_answer(job, answer.body)
        else:
            await self._no_answer(job, verdict, answer.status if answer else None, asked_at_ms)

    async def _wait_for_slot(self, job: Claimed, bucket: str, fetch_before_ms: int) -> Slot | None:
        """Wait for a slot without holding a connection; None if there is none in time."""
        station = self._station
        while not station.stopping and station.now_ms() < fetch_before_ms:
            try:
                grant = await station.limiter.reserve(
                    bucket, [0], station.caps(), station.fallback([job.model]), is_poll=True
                )
            except LimiterUnavailable as error:
                log.warning("limiter.away cause=%s", error)
                return None
            if grant.slots:
                await asyncio.sleep(grant.slots[0].fire_at - station.loop.time())
                return grant.slots[0]
            await asyncio.sleep(grant.again_s or 0.0)
        return None

    async def _keep_answer(self, job: Claimed, body: bytes) -> None:
        station, lease, now_ms = self._station, job.lease, self._station.now_ms()
        station.breaker.ended(lease.run_id, Door.FETCH, bad=False)
        await self._api_answered(lease.run_id)
        segment = None
        try:
            segment = station.spool.answer(
                Answer(
                    job_id=lease.job_id,
                    attempt=lease.attempt,
                    received_at_ms=now_ms,
                    request_id=job.request_id,
                    body=body,
                )
            )
        except OSError as error:  # the database may still take what the spool could not
            log.error("spool.failed cause=%s", error)
            station.disk.refused(error)
        subject = settle.Subject(
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
            settled = settle.settle(subject, body, policy=station.policy(lease.run_id), now_ms=now_ms)
        except Exception:  # the answer is kept all the same; the reaper tries to settle it again
            log.exception("settle.failed job=%d", lease.job_id)
            await station.committer.write(jobs.stored, lease.job_id, received)
        else:
            await station.committer.write(keep, lease.job_id, Collected(received=received, settled=settled))
            self._after_settled(job, settled)
        if segment is not None:
            segment.saved()

    def _after_settled(self, job: Claimed, settled: Settled) -> None:
        """Update the estimates, then wake the part of the worker that goes on with the job."""
        station = self._station
        self._observe(job, settled)
        if settled.target is JobState.PENDING:
            station.submit_bell.set()
        else:
            station.run_monitor.ended(job.lease.run_id)

    def _observe(self, job: Claimed, settled: Settled) -> None:
        station, cost = self._station, settled.cost
        if cost.total_tokens:
            station.settle_tokens(job, cost.total_tokens)
        if not station.learned.teaches(job.model, job.lease.job_id):
            return
        self._observe_latency(job, station.clock.since_s(job.accepted_at_ms), ready=True)
        if cost.ticks:
            allowance.learn(station, job, cost.ticks)
        if cost.total_tokens:
            station.learn_tokens(job, cost.total_tokens)

    def _observe_latency(self, job: Claimed, age_s: float, *, ready: bool) -> None:
        learned, charged = self._station.learned, self._station.polls_charged(job.model)
        asked_s = polling.last_asked_s(age_s, job.polls, latency=learned.latency(job.model), charged=charged)
        learned.observe_latency(job.model, asked_s, age_s, ready=ready)

    async def _no_answer(self, job: Claimed, verdict: Verdict, status: int | None, asked_at_ms: int) -> None:
        """Move a job whose fetch brought no answer, by what the API replied."""
        station = self._station
        age_s = station.clock.since_s(job.accepted_at_ms)
        match verdict.outcome:
            case Outcome.NOT_READY if age_s > polling.GIVE_UP_AFTER_S:
                await self._hold_for_person(job, verdict, status, code="never-ready")
            case Outcome.NOT_READY:
                await self._api_answered(job.lease.run_id)
                if station.learned.teaches(job.model, job.lease.job_id):
                    self._observe_latency(job, age_s, ready=False)
                wait_s = polling.next_poll_s(
                    age_s,
                    station.random.random(),
                    latency=station.learned.latency(job.model),
                    scout=station.scouts(job.model, job.lease.job_id),
                    charged=station.polls_charged(job.model),
                )
                await self._poll_again(job, jobs.not_ready, wait_s, job.misses)
            case Outcome.ACCOUNT:
                assert verdict.reason is not None  # noqa: S101 - ACCOUNT means that there is one
                await station.pause(job.lease.run_id, verdict.reason, verdict.message)
                await self._poll_again(job, jobs.later, TROUBLE_WAIT_S, job.misses)
            case Outcome.GONE if age_s > polling.EXPIRES_AFTER_S:
                await self._hold_for_person(job, verdict, status, code="expired")
            case Outcome.GONE if job.misses + 1 < MISSES_MAX and retry.retryable(verdict.code):
                await self._poll_again(job, jobs.later, MISS_WAIT_S, job.misses + 1)
            case Outcome.GONE:
                station.breaker.ended(job.lease.run_id, Door.FETCH, bad=True)
                await self._requeue_lost(job, jobs.lost, Event.LOST, verdict, status)
            case Outcome.GENERATION_FAILED:
                await self._requeue_lost(
                    job, jobs.generation_failed, Event.GENERATION_FAILED, verdict, status
                )
            case _ if verdict.code == UNASKED:
                await self._poll_again(job, jobs.later, verdict.retry_after_s or 0.0, job.misses, asked=False)
            case _:
                await self._retry_later(job, verdict, asked_at_ms)

    async def _retry_later(self, job: Claimed, verdict: Verdict, asked_at_ms: int) -> None:
        """Poll again after a backoff; after UNAVAILABLE_AFTER failures a run that only collects waits."""
        station = self._station
        wait_s = retry.backoff_s(min(job.polls, 6), station.random.random(), verdict.retry_after_s)
        await self._poll_again(job, jobs.later, max(wait_s, 0.2), job.misses)
        in_a_row = self._failures.failed(asked_at_ms, station.now_ms())
        if (
            in_a_row >= AWAY_AFTER
            and verdict.code != "rate-limited"
            and station.only_collects(job.lease.run_id)
        ):
            await station.away(job.lease.run_id, verdict.message)

    async def _api_answered(self, run_id: int) -> None:
        """The API answered: end the wait of a run that only collects; for others their submits decide."""
        self._failures.ended()
        if self._station.only_collects(run_id):
            await self._station.back(run_id)

    async def _hold_for_person(
        self, job: Claimed, verdict: Verdict, status: int | None, *, code: str
    ) -> None:
        """Hold a job whose answer can no longer come; a person decides whether to pay again."""
        verdict = replace(verdict, code=code)
        await self._requeue_lost(job, jobs.lost, Event.LOST, verdict, status, JobState.HELD)

    async def _poll_again(
        self, job: Claimed, move: jobs.Move, wait_s: float, misses: int, *, asked: bool = True
    ) -> None:
        due_at_ms = self._station.now_ms() + int(wait_s * 1000)
        row = NotYet(lease=job.lease, due_at_ms=due_at_ms, misses=misses, asked=asked)
        await self._station.committer.write(move, job.lease.job_id, row)
        self._station.collect_at(due_at_ms)

    async def _requeue_lost(
        self,
        job: Claimed,
        move: jobs.Move,
        event: Event,
        verdict: Verdict,
        status: int | None,
        target: JobState | None = None,
    ) -> None:
        station, now_ms, policy = (
            self._station,
            self._station.now_ms(),
            self._station.policy(job.lease.run_id),
        )
        target = target or retry.decide(
            event,
            attempts_spent=job.spent + 1,
            extras=job.extras,
            max_attempts=policy.max_attempts,
            on_ambiguous=policy.on_ambiguous,
            again_helps=retry.retryable(verdict.code),
        )
        row = Back(
            lease=job.lease,
            target=target,
            due_at_ms=now_ms,
            at_ms=now_ms,
            cause=Cause(code=verdict.code, message=verdict.message, http_status=status),
            possible_ticks=doubt.possible_ticks(
                job.model, job.prompt_tokens, job.output_tokens_max, now_ms, policy.pricing
            ),
        )
        await station.committer.write(move, job.lease.job_id, row)
        if target is JobState.PENDING:
            station.submit_bell.set()
        else:
            station.run_monitor.ended(job.lease.run_id)
