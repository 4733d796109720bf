"""Submit: lease pending jobs, reserve slots, put the attempts on record, POST, keep the request ids.

A crash at any point leaves at most what is in flight in doubt: rows leased but not marked are free again,
rows marked but not in the spool were never sent, rows in the spool without a reply are ambiguous.
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
CHUNK_BYTES = 32 << 20  # leased at once ...
MARKED_BYTES = 24 << 20  # ... and held until they are sent; one job of any size may always go
MARKED_PER_CONNECTION = 64
SEND_WITHIN_MS = 30_000  # of the lease; POST and its timeouts fit into what is left
ALONE_S = 0.02
SHORT_S = 0.2  # so long a run whose budget is given away is left alone

log = logging.getLogger("runner.submit")


@dataclass(slots=True)
class _Feed:
    """The leased jobs of one run that wait for slots."""

    jobs: deque[Leased] = field(default_factory=deque)
    chunk: int = CHUNK_FIRST
    empty_until: float = 0.0
    short_until: float = 0.0  # of money: the budget let none of the jobs go
    sent_in_round: int = 0

    def add(self, found: Sequence[Leased]) -> None:
        """Add jobs that were just leased: of one whose earlier lease ran out in here, the new one counts.

        With both it would be sent twice.
        """
        again = {job.lease.job_id for job in found}
        self.jobs = deque(job for job in self.jobs if job.lease.job_id not in again)
        self.jobs.extend(found)


class Submit:
    """The submit loop of one process; a Celery task drives it for one time slice (`turn`) at a time."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._feeds: dict[int, _Feed] = {}
        self._posts: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish
        self._marked = 0  # without a reply yet
        self._marked_bytes = 0
        self._sent = 0  # of them, on the wire
        self._alone = False  # the one that is marked goes alone
        self._rounds = 0
        self._replied = asyncio.Event()
        self._turned_away = TurnedAway(station)
        self._again_s = IDLE_S
        self._turn = asyncio.Lock()

    async def turn(self, seconds: float) -> bool:
        """Submit what may be, runs taking turns; return whether the time was over before the work."""
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
                await self._give_back()
        return False

    async def _round(self) -> bool:
        """Give each run one bite; return whether any job was sent on its way."""
        self._again_s, sent = IDLE_S, False
        sending = [activity for activity in await self._station.active() if activity.sends]
        if sending and await self._station.may_send(sending):
            self._rounds += 1
            for activity in sorted(sending, key=self._sent_in_round):
                if await self._bite(activity):
                    sent = True
                    self._feeds[activity.run.id].sent_in_round = self._rounds
        return sent

    def _sent_in_round(self, activity: Activity) -> int:
        """Return when a run had its last turn. The first to bite may take all slots there are."""
        feed = self._feeds.get(activity.run.id)
        return feed.sent_in_round if feed is not None else 0

    async def _idle(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._station.submit_bell.wait(), self._again_s)

    async def _bite(self, activity: Activity) -> bool:
        station, room = self._station, await self._room()
        in_trouble = activity.run.state is RunState.WAITING or self._turned_away.streak.is_serious
        feed = self._feeds.setdefault(activity.run.id, _Feed())
        if in_trouble:  # one probe at a time
            if self._marked:
                return False
            room = 1
            await self._choose_probe(activity, feed)
        if feed.short_until > station.loop.time():
            self._again_s = min(self._again_s, SHORT_S)
            return False
        if not feed.jobs and not await self._lease(activity, feed):
            return False
        buckets = {model: station.bucket(model) for model in {job.model for job in feed.jobs}}
        bucket = buckets[feed.jobs[0].model]
        chosen = self._together([job for job in feed.jobs if buckets[job.model] == bucket][:room])
        chosen = self._light(chosen)
        if not chosen:
            self._again_s = min(self._again_s, ALONE_S)
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
            self._again_s = min(self._again_s, max(grant.again_s, 0.005))
            feed.chunk = max(4, min(feed.chunk, 4 * len(grant.slots)))
        else:
            feed.chunk = min(CHUNK_MAX, feed.chunk * 2)
        taken = chosen[: len(grant.slots)]
        ids = {job.lease.job_id for job in taken}
        feed.jobs = deque(job for job in feed.jobs if job.lease.job_id not in ids)
        _, marked = await asyncio.gather(  # in one transaction
            self._refill(activity, feed), self._send(taken, grant.slots, activity)
        )
        if marked is not None and marked.is_short:
            await self._hand_back(feed)
        return marked is not None and bool(marked.bodies)

    async def _choose_probe(self, activity: Activity, feed: _Feed) -> None:
        """Put jobs first that were never in doubt: a probe may be lost, and the same one thrice is held."""
        if all(job.extras for job in feed.jobs):
            await self._lease(activity, feed, never_in_doubt=True)
        feed.jobs = deque(sorted(feed.jobs, key=lambda job: job.extras))

    def _together(self, jobs: list[Leased]) -> list[Leased]:
        """Return those that may go now: a job on its last automatic try goes while nothing else is out.

        If it is what ended the process twice, it shall take nobody with it the third time.
        """
        if self._alone:
            return []
        if _is_last_try(jobs[0]):
            return [] if self._marked else jobs[:1]
        return list(takewhile(lambda job: not _is_last_try(job), jobs))

    def _light(self, jobs: list[Leased]) -> list[Leased]:
        """Return as many, from the first on, as may be held in memory."""
        held, count = self._marked_bytes, 0
        for job in jobs:
            held += job.body_bytes
            if held > MARKED_BYTES and held > job.body_bytes:
                break
            count += 1
        return jobs[:count]

    async def _room(self) -> int:
        """Wait until few enough marked jobs are on their way; return how many more may be."""
        most = MARKED_PER_CONNECTION * self._station.settings.concurrency
        while self._marked > most // 2:
            self._replied.clear()
            await self._replied.wait()
        return most - self._marked

    async def _refill(self, activity: Activity, feed: _Feed) -> None:
        """Lease more before there are none, so that sending need not wait for them."""
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

    async def _send(self, taken: list[Leased], slots: list[Slot], activity: Activity) -> mark.Marked | None:
        """Mark exactly those jobs that have slots, then let their POSTs go, each at its time."""
        if not taken:
            return None
        station, now_ms = self._station, self._station.now_ms()
        until_ms = now_ms + int(station.settings.lease_s * 1000)
        wanted = [
            mark.Wanted(job=job, slot=slot.id, reserve_ticks=allowance.reserve(station, job))
            for job, slot in zip(taken, slots, strict=True)
        ]
        scouts = not station.learned.costs(taken[0].model).is_learnt
        marked = await station.committer.ask(
            lambda connection, deltas: mark.mark(
                connection,
                deltas,
                wanted,
                options=activity.run.options,
                scouts=scouts,
                worker=station.worker,
                now_ms=now_ms,
                until_ms=until_ms,
            )
        )
        for job, slot in zip(taken, slots, strict=True):
            if job.lease.job_id not in marked.bodies:  # somebody else has it, or there is no room
                station.limiter.release(slot)
                continue
            body, conv_id = marked.bodies[job.lease.job_id]
            posted = request.splice_deferred(body)  # here, so that nobody holds the body besides
            task = station.loop.create_task(
                self._post(job, slot, posted, conv_id, now_ms + SEND_WITHIN_MS),
                name=f"post {job.lease.job_id}",
            )
            self._marked += 1
            self._marked_bytes += job.body_bytes
            self._alone |= _is_last_try(job)
            self._posts.add(task)
            task.add_done_callback(self._posts.discard)
            task.add_done_callback(log_failure)
        return marked

    async def _hand_back(self, feed: _Feed) -> None:
        """Leave the jobs of a run whose budget is given away until answers have settled what they cost."""
        station, unsent = self._station, [job.lease for job in feed.jobs]
        feed.jobs.clear()
        feed.short_until = station.loop.time() + SHORT_S
        self._again_s = min(self._again_s, SHORT_S)
        if unsent:
            await station.committer.ask(lambda connection, _: leases.release(connection, unsent))
        await station.active(fresh=True)

    async def _post(
        self, job: Leased, slot: Slot, body: bytes, conv_id: str | None, send_before_ms: int
    ) -> None:
        station = self._station
        try:
            await self._wait_for(slot)
            async with station.http:
                sent_at_ms = station.now_ms()
                marked = self._last_check(job, slot, is_late=sent_at_ms > send_before_ms)
                if not isinstance(marked, str):
                    self._sent += 1
                    try:
                        verdict, status = await self._exchange(slot, body, conv_id, sent_at_ms)
                    finally:
                        self._sent -= 1
        finally:
            self._marked -= 1
            self._marked_bytes -= job.body_bytes
            self._alone = self._alone and self._marked > 0
            self._replied.set()
        if isinstance(marked, str):
            station.limiter.release(slot)
            await self._turned_away.not_sent(job, Cause(code=marked))
            return
        if verdict.outcome is Outcome.NOT_SENT:
            station.limiter.release(slot)
        else:
            station.limiter.confirm(slot)
        if verdict.outcome is Outcome.ACCEPTED:
            await self._accepted(job, verdict, sent_at_ms, marked)
        else:
            await self._turned_away.judge(job, slot, verdict, status, sent_at_ms)
            marked.saved()

    async def _exchange(
        self, slot: Slot, body: bytes, conv_id: str | None, sent_at_ms: int
    ) -> tuple[Verdict, int | None]:
        """POST once; return what to make of it, and the HTTP status if there was a reply."""
        station = self._station
        try:
            answer = await deferred.submit(station.api, body, conv_id)
        except Failed as failed:
            return reply.of_submit_fault(failed.fault, failed.detail), None
        limits = deferred.announced_limits(answer)
        station.limiter.announce(slot.bucket, *limits)
        station.run_monitor.announced(slot.bucket, *limits)
        return reply.of_submit(answer, now_s=sent_at_ms / 1000), answer.status

    async def _wait_for(self, slot: Slot) -> None:
        station = self._station
        delay_s = slot.fire_at - station.loop.time()
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    def _last_check(self, job: Leased, slot: Slot, *, is_late: bool) -> Segment | str:
        """Put the POST in the spool right before it leaves, or say why it must not leave."""
        station = self._station
        if station.stopping:
            return "stopping"
        if not station.is_running(job.lease.run_id):
            return "paused"
        if is_late:
            return "too-late"
        if not station.limiter.usable(slot) or (self._turned_away.streak.is_serious and self._sent):
            return "slot-passed"  # in trouble one request at a time is enough to lose
        return station.note_sent(job.lease.job_id, job.lease.attempt) or "spool-failed"

    async def _accepted(self, job: Leased, verdict: Verdict, sent_at_ms: int, marked: Segment) -> None:
        station, lease, now_ms = self._station, job.lease, self._station.now_ms()
        self._turned_away.streak.ended()
        station.breaker.ended(lease.run_id, Door.SUBMIT, bad=False)
        assert verdict.request_id is not None  # noqa: S101 - ACCEPTED means that there is one
        taken = Taken(
            job_id=lease.job_id,
            attempt=lease.attempt,
            sent_at_ms=sent_at_ms,
            accepted_at_ms=now_ms,
            request_id=verdict.request_id,
        )
        spooled = [marked]
        try:
            spooled.append(station.spool.taken(taken))
        except OSError as error:  # the database may still take what a full disk could not
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
        for segment in spooled:
            segment.saved()
        await station.back(lease.run_id)
        station.collect_at(due_at_ms)

    async def _give_back(self) -> None:
        unsent: list[Lease] = [job.lease for feed in self._feeds.values() for job in feed.jobs]
        self._feeds.clear()
        if unsent:
            await self._station.committer.ask(lambda connection, _: leases.release(connection, unsent))


def _is_last_try(job: Leased) -> bool:
    """Say whether a job is held if this attempt, too, ends in doubt."""
    return job.extras >= retry.AUTOMATIC_EXTRAS_MAX
