"""Collect: claim waiting jobs that are due, fetch each answer once, keep its bytes, then settle it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from runner.engine.process.sliced_loop import IDLE_S, SlicedLoop
from runner.rules.sending import polling

if TYPE_CHECKING:
    from random import Random

    from runner.db.workers.leases import ClaimedJob
    from runner.engine.collecting.fetch import Fetcher
    from runner.engine.collecting.fetch_health import FetchHealth
    from runner.engine.collecting.fetch_outage import FetchOutage
    from runner.engine.collecting.fetch_outcomes import FetchOutcomes
    from runner.engine.collecting.poll_schedule import PollSchedule
    from runner.engine.process.in_flight import InFlight
    from runner.engine.process.shared_clock import SharedClock
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.sending.leaser import Leaser
    from runner.engine.storing.disk_space import DiskSpace

CLAIM_ROWS: Final = 300
# Claimed jobs that wait, if polls need slots: a lease must not expire before its slot comes.
CHARGED_CLAIM_MAX: Final = 8
CLAIM_AHEAD: Final = 200  # claimed jobs that may wait for a connection while the next are claimed
CLAIM_TOGETHER_S: Final = 0.02  # answers that are due within this time are claimed together
URGENT_MS: Final = int(polling.URGENT_AFTER_S * 1000)
URGENT_CHECK_S: Final = 10.0


class Collector(SlicedLoop):
    """The collect loop of one process."""

    def __init__(
        self,
        *,
        runs: ActiveRuns,
        wakeups: Wakeups,
        leaser: Leaser,
        schedule: PollSchedule,
        fetches: FetchStarter,
        outage: FetchOutage,
        health: FetchHealth,
        disk: DiskSpace,
        clock: SharedClock,
        random: Random,
    ) -> None:
        super().__init__(runs, wakeups, wakeups.collect)
        self._leaser, self._schedule, self._fetches = leaser, schedule, fetches
        self._outage, self._health, self._disk = outage, health, disk
        self._clock, self._random = clock, random
        self._urgent_at = 0.0  # loop time of the next search for answers that are about to expire

    async def _round(self) -> bool:
        """Claim what is due and start the fetches; return whether more may be due now."""
        if problem := self._disk.problem():
            await self._runs.set_all_waiting(await self._runs.read(), problem)
            return False
        await self._fetches.wait_for_capacity()
        if self._outage.is_on:
            await self._probe()
            return False
        return await self._claim()

    async def _claim(self) -> bool:
        """Claim jobs and fetch them. Answers near the end of their 24 hours go first.

        They are searched for every URGENT_CHECK_S, and while there are more of them than one claim takes,
        nothing else is claimed.
        """
        loop, left_alone = asyncio.get_running_loop(), self._runs.left_alone
        if is_urgent := loop.time() >= self._urgent_at:
            claimed = await self._leaser.claim_due(
                self._fetches.rows_max,
                _now,
                accepted_before_ms=self._clock.now_ms() - URGENT_MS,
                without_runs=left_alone,
            )
        else:
            claimed = await self._leaser.claim_due(
                self._fetches.rows_max, self._schedule.postpone_s, without_runs=left_alone
            )
        self._wakeups.next_due_ms = claimed.next_due_ms
        for job in claimed.jobs:
            self._fetches.start(job, claimed.at_ms)
        if is_urgent and not claimed.is_full:
            self._urgent_at = loop.time() + URGENT_CHECK_S
        return claimed.is_full or is_urgent

    async def _probe(self) -> None:
        """Fetch one answer to find out whether an outage is over, if it is time for that."""
        if self._fetches.pending or self._outage.seconds_to_probe:
            return
        claimed = await self._leaser.claim_due(1, _now, without_runs=self._runs.left_alone)
        self._wakeups.next_due_ms = claimed.next_due_ms
        for job in claimed.jobs:
            self._fetches.start(job, claimed.at_ms, is_probe=True)
            self._outage.begin_probe(self._random.random())
        if not claimed.jobs and claimed.next_due_ms is None:  # no answer is left that could show its end
            await self._health.end_outage()

    async def _idle(self) -> None:
        """Wait until a poll is due, at most IDLE_S; the wake-up ends the wait for an earlier one."""
        loop = asyncio.get_running_loop()
        until = loop.time() + IDLE_S
        while not self._wakeups.is_stopping:
            wait_s = IDLE_S
            if self._wakeups.next_due_ms is not None:
                due_s = (self._wakeups.next_due_ms - self._clock.now_ms()) / 1000
                wait_s = max(due_s, self._outage.seconds_to_probe, CLAIM_TOGETHER_S)
            try:
                await asyncio.wait_for(self._wakeup.wait(), max(min(wait_s, until - loop.time()), 0))
            except TimeoutError:
                return
            self._wakeup.clear()

    async def _end_slice(self) -> None:
        """Claimed jobs have their tasks, which go on."""


class FetchStarter:
    """Starts the fetches of claimed jobs, and knows how many wait for a connection or a reply (`pending`)."""

    def __init__(
        self, in_flight: InFlight, fetcher: Fetcher, outcomes: FetchOutcomes, schedule: PollSchedule
    ) -> None:
        self._in_flight, self._fetcher, self._outcomes = in_flight, fetcher, outcomes
        self._schedule = schedule
        self._ended = asyncio.Event()
        self._are_charged = False  # as of the last fetch
        self.pending = 0

    @property
    def rows_max(self) -> int:
        """Return how many jobs to claim at a time."""
        return CHARGED_CLAIM_MAX if self._are_charged else CLAIM_ROWS

    async def wait_for_capacity(self) -> None:
        """Wait until few enough claimed jobs wait for a connection."""
        while self.pending > (CHARGED_CLAIM_MAX if self._are_charged else CLAIM_AHEAD):
            self._ended.clear()
            await self._ended.wait()

    def start(self, job: ClaimedJob, claimed_at_ms: int, *, is_probe: bool = False) -> None:
        """Start the fetch of one job."""
        self.pending += 1
        self._in_flight.start("get", job.lease.job_id, self._fetch(job, claimed_at_ms, is_probe=is_probe))

    async def _fetch(self, job: ClaimedJob, claimed_at_ms: int, *, is_probe: bool) -> None:
        try:
            self._are_charged = self._schedule.is_charged(job.model)
            fetched = await self._fetcher.fetch(
                job, claimed_at_ms, is_charged=self._are_charged, is_probe=is_probe
            )
        finally:
            self.pending -= 1
            self._ended.set()
        await self._outcomes.conclude(job, fetched)


def _now(_: ClaimedJob) -> float:
    """Postpone no poll."""
    return 0.0
