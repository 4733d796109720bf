"""Collect: claim waiting jobs that are due, fetch each answer once, keep its bytes, then settle it.

The bytes go to the spool before anything parses them. A GET is never cancelled and never repeated by the
HTTP layer: the API hands an answer out exactly once.
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
CHARGED_AHEAD = 8  # the same, and claimed at once, when polls wait for slots: a claim must not run out first
CLAIMED_AHEAD = 200  # so many claimed jobs wait for a connection while the next are being claimed
TOGETHER_S = 0.02  # answers due within it are claimed together
URGENT_MS = int(polling.URGENT_AFTER_S * 1000)
URGENT_LOOK_S = 10.0
FETCH_WITHIN_MS = 30_000  # of the lease; GET and its timeouts fit into what is left
MISSES_MAX = 2
MISS_WAIT_S = 2.0
NO_SLOT_WAIT_S = 1.0
FULL_DISK_WAIT_S = 2.0
UNASKED = "paused"  # everybody pauses, this process ends, or the lease does: the API was not asked
TROUBLE_WAIT_S = 30.0  # while the account is in trouble, answers stay where they are

log = logging.getLogger("runner.collect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """An answer and its judgement, written in one transaction."""

    received: Received
    settled: Settled


def keep(connection: Connection, rows: Sequence[Collected], deltas: Deltas) -> set[int]:
    """Store answers and settle their jobs; of those that came too late, count what they cost."""
    moved = jobs.answered(connection, [(row.received, row.settled) for row in rows], deltas)
    late = [row.settled for row in rows if (row.settled.job_id, row.settled.attempt) not in moved]
    if late:
        collected.came_late(connection, late, deltas)
    return {job_id for job_id, _ in moved}


class Collect:
    """The collect loop of one process; driven like `Submit`."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._gets: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish
        self._streak = Streak()
        self._unanswered = 0
        self._answered = asyncio.Event()
        self._turn = asyncio.Lock()
        self._ahead = CLAIMED_AHEAD
        self._urgent_at = 0.0  # when to look for answers that are about to expire

    async def turn(self, seconds: float) -> bool:
        """Collect what is due; return whether the time was over before the work."""
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

        Answers near the end of their 24 hours go before all others: they are looked for now and then, and
        while there are more of them than are claimed at once, nothing else is claimed.
        """
        await self._room()
        station, now_ms = self._station, self._station.now_ms()
        rows_max = CLAIM_ROWS if self._ahead == CLAIMED_AHEAD else CHARGED_AHEAD
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
            asked: list[Claimed] = []
            held: list[NotYet] = []
            for job in found:
                if hold_s := 0.0 if urgent else self._hold_s(job):
                    due_at_ms = now_ms + int(hold_s * 1000)
                    held.append(NotYet(lease=job.lease, due_at_ms=due_at_ms, misses=job.misses, asked=False))
                else:
                    asked.append(job)
            # Here, so that nobody can move a job between its claim and its being put back.
            jobs.later(connection, held, deltas)
            return asked, len(found) == rows_max, leases.next_due_ms(connection)

        claimed, is_full, station.next_due_ms = await station.committer.ask(claim)
        for job in claimed:
            task = station.loop.create_task(
                self._get(job, now_ms + FETCH_WITHIN_MS), name=f"get {job.lease.job_id}"
            )
            self._unanswered += 1
            self._gets.add(task)
            task.add_done_callback(self._gets.discard)
            task.add_done_callback(log_failure)
        if urgent and not is_full:
            self._urgent_at = station.loop.time() + URGENT_LOOK_S
        return is_full or urgent

    def _hold_s(self, job: Claimed) -> float:
        """Say how long a job that is due waits on unasked, by what others have taught since.

        On PostgreSQL the committer's thread asks, so only what is known here already is looked at.
        """
        station = self._station
        age_s = station.clock.since_s(job.accepted_at_ms)
        if not age_s:  # the clock was set back: nobody knows
            return 0.0
        return polling.hold_s(
            age_s,
            station.random.random(),
            latency=station.learned.known_latency(job.model),
            scout=station.scouts(job.model, job.lease.job_id),
            charged=station.known_charged(job.model),
        )

    async def _room(self) -> None:
        """Wait until few claimed jobs wait for a connection."""
        while self._unanswered > self._ahead:
            self._answered.clear()
            await self._answered.wait()

    async def _idle(self) -> None:
        """Wait until something is due; the bell tells of what is due before that."""
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

    async def _get(self, job: Claimed, fetch_before_ms: int) -> None:
        """Fetch once, as soon as a connection is free and while nobody else can hold the job."""
        station = self._station
        answer: Reply | None = None
        asked_at_ms = 0
        slot = None
        try:
            bucket = station.bucket(job.model)
            charged = station.polls_charged(job.model)
            self._ahead = CHARGED_AHEAD if charged else CLAIMED_AHEAD
            if charged:
                slot = await self._slot(job, bucket, fetch_before_ms)
            async with station.http:
                asked_at_ms = station.now_ms()
                wait_s = station.limiter.paused_until(bucket) - station.loop.time()
                if charged and slot is None:
                    wait_s = max(wait_s, NO_SLOT_WAIT_S)
                passed = slot is not None and not station.limiter.usable(slot)
                if station.disk.trouble():  # what could not be kept would be lost: it is handed out once
                    wait_s = max(wait_s, FULL_DISK_WAIT_S)
                if station.stopping or wait_s > 0 or passed or asked_at_ms > fetch_before_ms:
                    verdict = Verdict(outcome=Outcome.LATER, code=UNASKED, retry_after_s=max(wait_s, 0.0))
                else:
                    answer = await deferred.fetch(station.api, job.request_id)
                    verdict = reply.of_fetch(answer, now_s=asked_at_ms / 1000)
                    station.limiter.polled(bucket, refused=verdict.code == "rate-limited")
        except Failed as failed:
            verdict = reply.of_fetch_fault(failed.fault, failed.detail)
        finally:
            self._unanswered -= 1
            self._answered.set()
        if slot is not None:
            tell = station.limiter.release if verdict.code == UNASKED else station.limiter.confirm
            tell(slot)
        if answer is not None and verdict.outcome is Outcome.READY:
            await self._keep(job, answer.body)
        else:
            await self._without(job, verdict, answer.status if answer else None, asked_at_ms)

    async def _slot(self, job: Claimed, bucket: str, fetch_before_ms: int) -> Slot | None:
        """Wait for the right to ask; None when there is none in time. No connection is held meanwhile."""
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

    async def _keep(self, job: Claimed, body: bytes) -> None:
        station, lease, now_ms = self._station, job.lease, self._station.now_ms()
        station.breaker.ended(lease.run_id, Door.FETCH, bad=False)
        await self._back(lease.run_id)
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
        except Exception:  # the answer is kept whatever its judge does; the sweep tries again
            log.exception("settle.failed job=%d", lease.job_id)
            await station.committer.write(jobs.stored, lease.job_id, received)
        else:
            await station.committer.write(keep, lease.job_id, Collected(received=received, settled=settled))
            self._told(job, settled)
        if segment is not None:
            segment.saved()

    def _told(self, job: Claimed, settled: Settled) -> None:
        """Learn from a settled answer, and wake who waits for it."""
        station = self._station
        self._learn(job, settled)
        if settled.target is JobState.PENDING:
            station.submit_bell.set()
        else:
            station.run_monitor.ended(job.lease.run_id)

    def _learn(self, job: Claimed, settled: Settled) -> None:
        station, cost = self._station, settled.cost
        if cost.total_tokens:
            station.settle_tokens(job, cost.total_tokens)
        if not station.learned.teaches(job.model, job.lease.job_id):
            return
        self._learn_latency(job, station.clock.since_s(job.accepted_at_ms), ready=True)
        if cost.ticks:
            allowance.learn(station, job, cost.ticks)
        if cost.total_tokens:
            station.learn_tokens(job, cost.total_tokens)

    def _learn_latency(self, job: Claimed, age_s: float, *, ready: bool) -> None:
        learned, charged = self._station.learned, self._station.polls_charged(job.model)
        asked_s = polling.last_asked_s(age_s, job.polls, latency=learned.latency(job.model), charged=charged)
        learned.observe_latency(job.model, asked_s, age_s, ready=ready)

    async def _without(self, job: Claimed, verdict: Verdict, status: int | None, asked_at_ms: int) -> None:
        """Record a fetch that brought no answer."""
        station = self._station
        age_s = station.clock.since_s(job.accepted_at_ms)
        match verdict.outcome:
            case Outcome.NOT_READY if age_s > polling.GIVE_UP_AFTER_S:
                await self._hold(job, verdict, status, code="never-ready")
            case Outcome.NOT_READY:
                await self._back(job.lease.run_id)
                if station.learned.teaches(job.model, job.lease.job_id):
                    self._learn_latency(job, age_s, ready=False)
                wait_s = polling.next_poll_s(
                    age_s,
                    station.random.random(),
                    latency=station.learned.latency(job.model),
                    scout=station.scouts(job.model, job.lease.job_id),
                    charged=station.polls_charged(job.model),
                )
                await self._again(job, jobs.not_ready, wait_s, job.misses)
            case Outcome.ACCOUNT:
                assert verdict.reason is not None  # noqa: S101 - ACCOUNT means that there is one
                await station.pause(job.lease.run_id, verdict.reason, verdict.message)
                await self._again(job, jobs.later, TROUBLE_WAIT_S, job.misses)
            case Outcome.GONE if age_s > polling.EXPIRES_AFTER_S:
                await self._hold(job, verdict, status, code="expired")
            case Outcome.GONE if job.misses + 1 < MISSES_MAX and retry.retryable(verdict.code):
                await self._again(job, jobs.later, MISS_WAIT_S, job.misses + 1)
            case Outcome.GONE:
                station.breaker.ended(job.lease.run_id, Door.FETCH, bad=True)
                await self._gone(job, jobs.lost, Event.LOST, verdict, status)
            case Outcome.GENERATION_FAILED:
                await self._gone(job, jobs.generation_failed, Event.GENERATION_FAILED, verdict, status)
            case _ if verdict.code == UNASKED:
                await self._again(job, jobs.later, verdict.retry_after_s or 0.0, job.misses, asked=False)
            case _:
                await self._later(job, verdict, asked_at_ms)

    async def _later(self, job: Claimed, verdict: Verdict, asked_at_ms: int) -> None:
        """The API had something else to say; ask again, and say so when that goes on and nothing is sent."""
        station = self._station
        wait_s = retry.backoff_s(min(job.polls, 6), station.random.random(), verdict.retry_after_s)
        await self._again(job, jobs.later, max(wait_s, 0.2), job.misses)
        n = self._streak.failed(asked_at_ms, station.now_ms())
        if n >= AWAY_AFTER and verdict.code != "rate-limited" and station.only_collects(job.lease.run_id):
            await station.away(job.lease.run_id, verdict.message)

    async def _back(self, run_id: int) -> None:
        """The API answers: what waited for it goes on, unless its submitting says when."""
        self._streak.ended()
        if self._station.only_collects(run_id):
            await self._station.back(run_id)

    async def _hold(self, job: Claimed, verdict: Verdict, status: int | None, *, code: str) -> None:
        """Give an answer up that came too late or not at all; a person decides whether to pay again."""
        verdict = replace(verdict, code=code)
        await self._gone(job, jobs.lost, Event.LOST, verdict, status, JobState.HELD)

    async def _again(
        self, job: Claimed, move: jobs.Move, wait_s: float, misses: int, *, asked: bool = True
    ) -> None:
        due_at_ms = self._station.now_ms() + int(wait_s * 1000)
        row = NotYet(lease=job.lease, due_at_ms=due_at_ms, misses=misses, asked=asked)
        await self._station.committer.write(move, job.lease.job_id, row)
        self._station.collect_at(due_at_ms)

    async def _gone(
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
