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
from runner.api.xai import Failed
from runner.db import jobs, leases
from runner.db.outcomes import Accepted, Cause
from runner.engine import allowance, mark
from runner.engine.breaker import Door
from runner.engine.spool import Segment, Taken
from runner.engine.station import IDLE_S, Station
from runner.engine.supervisor import log_failure
from runner.engine.turned_away import TurnedAway
from runner.limiter.limiter import LimiterUnavailable, Slot
from runner.rules import polling, reply, request, retry
from runner.rules.reply import Outcome, Verdict
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.leases import Lease, Leased
    from runner.engine.activity import Activity

CHUNK_FIRST, CHUNK_MAX = 16, 300
CHUNK_BYTES = 32 << 20  # bodies leased in one call
MARKED_BYTES = 24 << 20  # bodies in memory that wait for a reply; a single job of any size always fits
MARKED_PER_CONNECTION = 64
SEND_WITHIN_MS = 30_000  # of the lease; POST and its timeouts fit into what is left
ALONE_S = 0.02
SHORT_S = 0.2  # pause of a run whose whole budget is reserved

log = logging.getLogger("runner.submit")


@dataclass(slots=True)
class _Feed:
    """The leased jobs of one run that wait for slots. Times are loop times."""

    jobs: deque[Leased] = field(default_factory=deque)
    chunk: int = CHUNK_FIRST
    empty_until: float = 0.0
    short_until: float = 0.0  # the budget allows no job before this time
    sent_in_round: int = 0

    def add(self, found: Sequence[Leased]) -> None:
        """Append jobs that were just leased; a job that waits here under an expired lease is replaced.

        With both leases in the queue it would be sent twice.
        """
        again = {job.lease.job_id for job in found}
        self.jobs = deque(job for job in self.jobs if job.lease.job_id not in again)
        self.jobs.extend(found)


class Submit:
    """The submit loop of one process; a Celery task drives it for one time slice (`turn`) at a time."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._feeds: dict[int, _Feed] = {}
        self._posts: set[asyncio.Task[None]] = set()  # asyncio keeps only weak references to tasks
        self._unreplied = 0  # recorded attempts without a reply
        self._unreplied_bytes = 0
        self._sent = 0  # those of them whose POST has left
        self._is_exclusive = False  # the one recorded attempt is an exclusive retry
        self._rounds = 0
        self._replied = asyncio.Event()
        self._failures = TurnedAway(station)
        self._wait_s = IDLE_S
        self._turn = asyncio.Lock()

    async def turn(self, seconds: float) -> bool:
        """Submit for at most `seconds`, runs in equal turns; return whether work was left at the end."""
        station = self._station
        station.wake()
        if self._turn.locked():
            return False
        async with self._turn:
            until = station.loop.time() + seconds
            try:
                while not station.stopping and await station.active():
                    if station.loop.time() > until:
                        return True
                    station.submit_bell.clear()
                    if not await self._round():
                        await self._idle()
            finally:
                await self._release_all()
        return False

    async def _round(self) -> bool:
        """Submit one batch of each run; return whether any job was recorded as sent."""
        self._wait_s, sent = IDLE_S, False
        sending = [activity for activity in await self._station.active() if activity.sends]
        if sending and await self._station.may_send(sending):
            self._rounds += 1
            for activity in sorted(sending, key=self._sent_in_round):
                if await self._submit_batch(activity):
                    sent = True
                    self._feeds[activity.run.id].sent_in_round = self._rounds
        return sent

    def _sent_in_round(self, activity: Activity) -> int:
        """Return in which round a run sent last. The first run of a round may take all slots."""
        feed = self._feeds.get(activity.run.id)
        return feed.sent_in_round if feed is not None else 0

    async def _idle(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._station.submit_bell.wait(), self._wait_s)

    async def _submit_batch(self, activity: Activity) -> bool:
        station, capacity = self._station, await self._wait_for_capacity()
        should_probe = activity.run.state is RunState.WAITING or self._failures.streak.is_serious
        feed = self._feeds.setdefault(activity.run.id, _Feed())
        if should_probe:  # one probe at a time
            if self._unreplied:
                return False
            capacity = 1
            await self._choose_probe(activity, feed)
        if feed.short_until > station.loop.time():
            self._wait_s = min(self._wait_s, SHORT_S)
            return False
        if not feed.jobs and not await self._lease(activity, feed):
            return False
        buckets = {model: station.bucket(model) for model in {job.model for job in feed.jobs}}
        bucket = buckets[feed.jobs[0].model]
        chosen = self._allowed_now([job for job in feed.jobs if buckets[job.model] == bucket][:capacity])
        chosen = self._fits_memory(chosen)
        if not chosen:
            self._wait_s = min(self._wait_s, ALONE_S)
            return False
        try:
            grant = await station.limiter.reserve(
                bucket,
                [station.tokens(job) for job in chosen],
                station.caps(),
                station.fallback(job.model for job in chosen),
            )
        except LimiterUnavailable as error:
            log.warning("limiter.away cause=%s", error)
            await station.away(activity.run.id, station.redis_advice(error))
            return False
        if grant.again_s is not None:
            self._wait_s = min(self._wait_s, max(grant.again_s, 0.005))
            feed.chunk = max(4, min(feed.chunk, 4 * len(grant.slots)))
        else:
            feed.chunk = min(CHUNK_MAX, feed.chunk * 2)
        granted = chosen[: len(grant.slots)]
        ids = {job.lease.job_id for job in granted}
        feed.jobs = deque(job for job in feed.jobs if job.lease.job_id not in ids)
        _, recorded = await asyncio.gather(  # in one transaction
            self._lease_ahead(activity, feed), self._send(granted, grant.slots, activity)
        )
        if recorded is not None and recorded.is_short:
            await self._release_queue(feed)
        return recorded is not None and bool(recorded.bodies)

    async def _choose_probe(self, activity: Activity, feed: _Feed) -> None:
        """Put jobs without extras first: a probe may be lost, and a job that is lost three times is held."""
        if all(job.extras for job in feed.jobs):
            await self._lease(activity, feed, never_in_doubt=True)
        feed.jobs = deque(sorted(feed.jobs, key=lambda job: job.extras))

    def _allowed_now(self, jobs: list[Leased]) -> list[Leased]:
        """Return the jobs that may go now: a job on its last automatic retry goes alone.

        If it is what ended the process twice, no other job is in flight when it does so again.
        """
        if self._is_exclusive:
            return []
        if _is_last_try(jobs[0]):
            return [] if self._unreplied else jobs[:1]
        return list(takewhile(lambda job: not _is_last_try(job), jobs))

    def _fits_memory(self, jobs: list[Leased]) -> list[Leased]:
        """Return the first jobs whose bodies fit into MARKED_BYTES, with those that wait for a reply."""
        bytes_held, count = self._unreplied_bytes, 0
        for job in jobs:
            bytes_held += job.body_bytes
            if bytes_held > MARKED_BYTES and bytes_held > job.body_bytes:
                break
            count += 1
        return jobs[:count]

    async def _wait_for_capacity(self) -> int:
        """Wait until at most half of the allowed attempts have no reply; return how many more may go."""
        most = MARKED_PER_CONNECTION * self._station.settings.concurrency
        while self._unreplied > most // 2:
            self._replied.clear()
            await self._replied.wait()
        return most - self._unreplied

    async def _lease_ahead(self, activity: Activity, feed: _Feed) -> None:
        """Lease more jobs before the queue is empty, so that sending does not wait for the database."""
        if len(feed.jobs) < feed.chunk // 2:
            await self._lease(activity, feed)

    async def _lease(self, activity: Activity, feed: _Feed, *, never_in_doubt: bool = False) -> bool:
        station, run = self._station, activity.run
        if feed.empty_until > station.loop.time() and not station.submit_bell.is_set():
            return False
        now_ms = station.now_ms()
        share = leases.Share(
            rows_max=feed.chunk,
            bytes_max=CHUNK_BYTES,
            ordinals_max=run.options.limit,
            never_in_doubt=never_in_doubt,
        )
        found = await station.committer.ask(
            lambda connection, _: leases.lease_pending(
                connection,
                share,
                run_id=run.id,
                worker=station.worker,
                now_ms=now_ms,
                until_ms=now_ms + int(station.settings.lease_s * 1000),
            )
        )
        feed.add(found)
        if not found and not never_in_doubt:
            feed.empty_until = station.loop.time() + 0.1
        return bool(found)

    async def _send(self, granted: list[Leased], slots: list[Slot], activity: Activity) -> mark.Marked | None:
        """Record exactly the jobs that have slots, then start their POSTs, each at the time of its slot."""
        if not granted:
            return None
        station, now_ms = self._station, self._station.now_ms()
        until_ms = now_ms + int(station.settings.lease_s * 1000)
        wanted = [
            mark.Wanted(job=job, slot=slot.id, reserve_ticks=allowance.reserve(station, job))
            for job, slot in zip(granted, slots, strict=True)
        ]
        costs_unknown = not station.learned.costs(granted[0].model).is_learnt
        recorded = await station.committer.ask(
            lambda connection, deltas: mark.mark(
                connection,
                deltas,
                wanted,
                options=activity.run.options,
                scouts=costs_unknown,
                worker=station.worker,
                now_ms=now_ms,
                until_ms=until_ms,
            )
        )
        for job, slot in zip(granted, slots, strict=True):
            if (
                job.lease.job_id not in recorded.bodies
            ):  # another worker has it, or a bound of the run refused it
                station.limiter.release(slot)
                continue
            body, conv_id = recorded.bodies[job.lease.job_id]
            posted = request.splice_deferred(body)  # here, so that the unspliced body can be freed
            task = station.loop.create_task(
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

    async def _release_queue(self, feed: _Feed) -> None:
        """Release the queued jobs of a run whose budget is reserved, until answers free some of it."""
        station, unsent = self._station, [job.lease for job in feed.jobs]
        feed.jobs.clear()
        feed.short_until = station.loop.time() + SHORT_S
        self._wait_s = min(self._wait_s, SHORT_S)
        if unsent:
            await station.committer.ask(lambda connection, _: leases.release(connection, unsent))
        await station.active(fresh=True)

    async def _post(
        self, job: Leased, slot: Slot, body: bytes, conv_id: str | None, send_before_ms: int
    ) -> None:
        station = self._station
        try:
            await self._wait_for_slot(slot)
            async with station.http:
                sent_at_ms = station.now_ms()
                segment = self._record_send(job, slot, is_late=sent_at_ms > send_before_ms)
                if not isinstance(segment, str):
                    self._sent += 1
                    try:
                        verdict, status = await self._exchange(slot, body, conv_id, sent_at_ms)
                    finally:
                        self._sent -= 1
        finally:
            self._unreplied -= 1
            self._unreplied_bytes -= job.body_bytes
            self._is_exclusive = self._is_exclusive and self._unreplied > 0
            self._replied.set()
        if isinstance(segment, str):
            station.limiter.release(slot)
            await self._failures.not_sent(job, Cause(code=segment))
            return
        if verdict.outcome is Outcome.NOT_SENT:
            station.limiter.release(slot)
        else:
            station.limiter.confirm(slot)
        if verdict.outcome is Outcome.ACCEPTED:
            await self._accepted(job, verdict, sent_at_ms, segment)
        else:
            await self._failures.judge(job, slot, verdict, status, sent_at_ms)
            segment.saved()

    async def _exchange(
        self, slot: Slot, body: bytes, conv_id: str | None, sent_at_ms: int
    ) -> tuple[Verdict, int | None]:
        """POST once; return the classification, and the HTTP status if there was a reply."""
        station = self._station
        try:
            answer = await deferred.submit(station.api, body, conv_id)
        except Failed as failed:
            return reply.of_submit_fault(failed.fault, failed.detail), None
        limits = deferred.announced_limits(answer)
        station.limiter.announce(slot.bucket, *limits)
        station.run_monitor.announced(slot.bucket, *limits)
        return reply.of_submit(answer, now_s=sent_at_ms / 1000), answer.status

    async def _wait_for_slot(self, slot: Slot) -> None:
        station = self._station
        delay_s = slot.fire_at - station.loop.time()
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    def _record_send(self, job: Leased, slot: Slot, *, is_late: bool) -> Segment | str:
        """Write the POST to the spool right before it leaves; return its segment, or why it must stay."""
        station = self._station
        if station.stopping:
            return "stopping"
        if not station.is_running(job.lease.run_id):
            return "paused"
        if is_late:
            return "too-late"
        if not station.limiter.usable(slot) or (self._failures.streak.is_serious and self._sent):
            return "slot-passed"  # while probing, one request at a time is enough to lose
        return station.note_sent(job.lease.job_id, job.lease.attempt) or "spool-failed"

    async def _accepted(self, job: Leased, verdict: Verdict, sent_at_ms: int, segment: Segment) -> None:
        station, lease, now_ms = self._station, job.lease, self._station.now_ms()
        self._failures.streak.ended()
        station.breaker.ended(lease.run_id, Door.SUBMIT, bad=False)
        assert verdict.request_id is not None  # noqa: S101 - ACCEPTED means that there is one
        record = Taken(
            job_id=lease.job_id,
            attempt=lease.attempt,
            sent_at_ms=sent_at_ms,
            accepted_at_ms=now_ms,
            request_id=verdict.request_id,
        )
        spooled = [segment]
        try:
            spooled.append(station.spool.taken(record))
        except OSError as error:  # the database may still take what a full disk cannot
            log.error("spool.failed cause=%s", error)
            station.disk.refused(error)
        wait_s = polling.next_poll_s(
            0.0,
            station.random.random(),
            latency=station.learned.latency(job.model),
            scout=station.scouts(job.model, lease.job_id),
            charged=station.polls_charged(job.model),
        )
        due_at_ms = now_ms + int(wait_s * 1000)
        await station.committer.write(
            jobs.accepted,
            lease.job_id,
            Accepted(
                lease=lease,
                request_id=verdict.request_id,
                sent_at_ms=sent_at_ms,
                accepted_at_ms=now_ms,
                due_at_ms=due_at_ms,
            ),
        )
        for one in spooled:
            one.saved()
        await station.back(lease.run_id)
        station.collect_at(due_at_ms)

    async def _release_all(self) -> None:
        """Release the leases of all queued jobs at the end of a time slice."""
        unsent: list[Lease] = [job.lease for feed in self._feeds.values() for job in feed.jobs]
        self._feeds.clear()
        if unsent:
            await self._station.committer.ask(lambda connection, _: leases.release(connection, unsent))


def _is_last_try(job: Leased) -> bool:
    """Return whether a job is held if the outcome of this attempt is unknown too."""
    return job.extras >= retry.AUTOMATIC_EXTRAS_MAX
