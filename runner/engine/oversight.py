"""Oversight: what a process does for runs as a whole: it ends them, stops those that fail, tells limits."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from runner.db import events, runs
from runner.engine import closing
from runner.engine.activity import SENDING
from runner.rules import clock, failing
from runner.rules.errors import RunnerError
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from runner.engine.activity import Activity
    from runner.engine.station import Station

LOOK_S = 0.05
log = logging.getLogger("runner.oversight")


class Oversight:
    """Told by the stages what they saw; `run` acts on it until it is cancelled."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._ended_in: set[int] = set()
        self._announced: dict[str, tuple[int | None, int | None]] = {}
        self._news: list[str] = []
        self._warned: set[int] = set()
        self._told: set[int] = set()  # runs that go on although all of their first jobs failed

    def ended(self, run_id: int) -> None:
        """Note that a job of a run has its end, so that the run may be finished."""
        self._ended_in.add(run_id)

    def announced(self, bucket: str, rpm: int | None, tpm: int | None) -> None:
        """Pass on the limits that the API announced; a change of them is put on record."""
        self._station.limiter.announce(bucket, rpm, tpm)
        if (rpm or tpm) and self._announced.get(bucket) != (rpm, tpm):
            self._announced[bucket] = rpm, tpm
            told = [f"{n:,} {what} a minute" for n, what in ((rpm, "requests"), (tpm, "tokens")) if n]
            self._news.append(f"{bucket.rpartition(':')[2]}: {', '.join(told)}")

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look(self._station.last_active)
            except RunnerError:
                log.exception("run.oversight_failed")

    async def _look(self, active: list[Activity]) -> None:
        await self._stop_failing(active)
        await self._tell_limits(active)
        await self._tell_clock(active)
        touched, self._ended_in = self._ended_in, set()
        station = self._station
        long = {activity.run.id for activity in active if activity.is_long}
        if station.next_due_ms is None:  # nothing waits here any more: it may be over
            long.clear()
        self._ended_in |= touched & long
        for run_id in touched - long:
            await station.committer.ask(
                lambda c, d, r=run_id: closing.close(c, r, station.now_ms(), d)  # type: ignore[misc]
            )

    async def _stop_failing(self, active: list[Activity]) -> None:
        """Pause the runs that fail too much."""
        for activity in active:
            run_id, options = activity.run.id, activity.run.options
            why = failing.why(activity.counts, options.max_failures)
            if activity.run.state not in SENDING or why is None or (why.once and run_id in self._told):
                continue
            told = await self._station.committer.ask(
                lambda c, _, r=run_id: runs.has_paused_by(c, r, PauseReason.FAILURES)  # type: ignore[misc]
            )
            if why.once and told:
                self._told.add(run_id)
            else:
                await self._station.pause(run_id, PauseReason.FAILURES, why.text)

    async def _tell_limits(self, active: list[Activity]) -> None:
        """Put new limits on the record of every run at work, once, whoever saw them first."""
        news, self._news = self._news, []
        station = self._station
        for run_id in [activity.run.id for activity in active]:
            for line in news:
                await station.committer.ask(
                    lambda c, _, r=run_id, w=line: events.note_once(c, r, station.now_ms(), "limits", w)  # type: ignore[misc]
                )

    async def _tell_clock(self, active: list[Activity]) -> None:
        """Warn each run at work, once, of a clock that is off: times in its files will be, too."""
        advice = clock.advice(self._station.api.clock_skew_s)
        if advice is None:
            return
        station = self._station
        for run_id in {activity.run.id for activity in active} - self._warned:
            self._warned.add(run_id)
            await station.committer.ask(
                lambda c, _, r=run_id: events.note_once(c, r, station.now_ms(), events.WARNING, str(advice))  # type: ignore[misc]
            )
