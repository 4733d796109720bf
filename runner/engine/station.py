"""The station: what one worker process holds. One event loop in a thread of its own, one HTTP session,
one spool, one committer, one limiter client. Stages run on its loop and share all of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from runner.api import account
from runner.api.xai import XAI
from runner.db import counters, runs, sent_lately, workers
from runner.db.session import Database
from runner.engine.committer import Committer
from runner.engine.doubt import Pricing, pricing_by
from runner.engine.settle import Policy
from runner.engine.spool import Spool
from runner.limiter.learned import Learned
from runner.limiter.limiter import Caps, Limiter, Slot
from runner.rules import models, polling
from runner.rules.errors import RunnerError
from runner.rules.states import FINAL, JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from sqlalchemy import Connection

    from runner.db.counters import Deltas
    from runner.db.runs import RunRow
    from runner.settings import Settings

REFRESH_S = 0.3
IDLE_S = 0.5
SLOTS_KEPT = 50_000
SENDING = (RunState.RUNNING, RunState.WAITING)  # a waiting run probes
LONG_RUN_JOBS = 1_000  # more than end within REFRESH_S
T = TypeVar("T")
log = logging.getLogger("runner.station")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A run with jobs on their way, and how many are where."""

    run: RunRow
    states: dict[JobState, int]
    counts: Mapping[tuple[str, str], int]

    @property
    def is_long(self) -> bool:
        """Return whether the run surely goes on for longer than this is remembered."""
        moving = sum(n for state, n in self.states.items() if state not in FINAL and state != JobState.HELD)
        return self.run.options.limit is None and moving > LONG_RUN_JOBS

    @property
    def sends(self) -> bool:
        """Return whether jobs of the run may be submitted now."""
        out = sum(self.states[s] for s in (JobState.SUBMITTING, JobState.WAITING, JobState.COLLECTING))
        return (
            self.run.state in SENDING
            and self.states[JobState.PENDING] > 0
            and out < self.run.options.max_waiting
        )


class Station:
    """Opens everything at once; `run` brings a coroutine of a stage onto its loop."""

    def __init__(self, settings: Settings, node: str) -> None:
        self.settings, self.node = settings, node
        self.database = Database(settings.effective_database_url)
        self.random = random.Random()  # noqa: S311 - jitter
        self.prices = pricing_by(settings.base_url, settings.prices)
        self.stopping = False
        self.submit_bell = asyncio.Event()
        self.collect_bell = asyncio.Event()
        self.next_due_ms: int | None = None
        self._slots: OrderedDict[str, Slot] = OrderedDict()
        self._asked_s: dict[int, float] = {}
        self._scouting: defaultdict[str, set[int]] = defaultdict(set)
        self._ended_in: set[int] = set()
        self._active: list[Activity] = []
        self._active_at = -1.0
        self._refreshing = asyncio.Lock()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="station", daemon=True)
        self._thread.start()
        self.run(self._open())

    async def _open(self) -> None:
        settings, database = self.settings, self.database
        self.host = settings.host
        with database.write() as connection:
            self.worker = workers.enter(
                connection, host=self.host, node=self.node, pid=os.getpid(), now_ms=database.now_ms()
            )
            # Within the transaction: a worker on record without a locked spool counts as dead.
            self.spool = Spool(settings.spool_dir, self.worker)
        self._skew_ms = database.now_ms() - _local_ms()
        self.committer = Committer(database, self.loop, shard=self.worker)
        self.api = XAI(settings, connections=settings.concurrency * 2)
        self.http = asyncio.Semaphore(settings.concurrency)
        self.limiter = Limiter(settings.effective_redis_url, rebuild=self._sent_lately)
        self.learned = Learned(settings.effective_redis_url)
        self.team = account.key_name(settings)
        self._closer = self.loop.create_task(self._finish_runs())

    def run(self, stage: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the station's loop from another thread; return what it returns."""
        return asyncio.run_coroutine_threadsafe(stage, self.loop).result()

    def now_ms(self) -> int:
        """Return the time by the database's clock, which all hosts share."""
        return _local_ms() + self._skew_ms

    def bucket(self, model: str) -> str:
        """Name the limiter's bucket: limits hold per team and model, whatever alias is used."""
        return f"{self.team}:{models.canonical(model)}"

    def policy(self, run_id: int) -> Policy:
        """Return what a run says about attempts."""
        options = next((a.run.options for a in self._active if a.run.id == run_id), runs.RunOptions())
        return Policy(
            max_attempts=options.max_attempts,
            on_ambiguous="hold" if options.on_ambiguous == "hold" else "resubmit",
            pricing=self.pricing(run_id),
        )

    def pricing(self, run_id: int) -> Pricing:
        """Return by what a run's answers are priced."""
        counts = next((a.counts for a in self._active if a.run.id == run_id), None)
        return replace(self.prices, counts=counts)

    def caps(self) -> Caps:
        """Return the user's limits: the lowest among the runs that send."""
        options = [a.run.options for a in self._active if a.run.state is RunState.RUNNING]
        return Caps(rpm=_lowest([o.rpm for o in options]), tpm=_lowest([o.tpm for o in options]), rps=None)

    def fallback(self, model: str) -> Caps:
        """Return the model table's limits, for while the API has announced none."""
        known = models.facts(model)
        return Caps(rpm=known.rpm, tpm=known.tpm, rps=None) if known else Caps(rpm=120, tpm=200_000, rps=None)

    async def active(self, *, fresh: bool = False) -> list[Activity]:
        """Return the runs with jobs on their way, at most REFRESH_S old."""
        async with self._refreshing:
            if fresh or self.loop.time() - self._active_at > REFRESH_S:
                self._active = await self.loop.run_in_executor(None, self._read_active)
                self._active_at = self.loop.time()
        return self._active

    def is_running(self, run_id: int) -> bool:
        """Return whether a run may submit, as last seen."""
        return any(a.run.id == run_id and a.run.state in SENDING for a in self._active)

    async def pause(self, run_id: int, reason: PauseReason, why: str) -> None:
        """Stop submitting for a run until a person says otherwise."""
        if await self.committer.ask(lambda c, _: runs.pause(c, run_id, reason, why, self.now_ms())):
            log.warning("run.paused run=%d reason=%s", run_id, reason)
        await self.active(fresh=True)

    async def api_away(self, run_id: int, why: str) -> None:
        """Say that a run waits for the API; submitting goes on as probes, few and far between."""
        if await self.committer.ask(lambda c, _: runs.wait(c, run_id, why, self.now_ms())):
            log.warning("run.waiting run=%d cause=%s", run_id, why)

    async def api_answers(self, run_id: int) -> None:
        """End such a wait."""
        if any(a.run.id == run_id and a.run.state is RunState.WAITING for a in self._active):
            await self.committer.ask(lambda c, _: runs.go_on(c, run_id, self.now_ms()))
            await self.active(fresh=True)

    def ended(self, run_id: int) -> None:
        """Note that a job of a run has its end, so that the run may be finished."""
        self._ended_in.add(run_id)

    def collect_at(self, due_at_ms: int) -> None:
        """Wake the collectors for an answer that is due before what they wait for."""
        if self.next_due_ms is None or due_at_ms < self.next_due_ms:
            self.next_due_ms = due_at_ms
            self.collect_bell.set()

    def scouts(self, model: str, job_id: int) -> bool:
        """Return whether a job is among the first of its model here, which find out how long answers take."""
        scouting = self._scouting[model]
        if len(scouting) < polling.SCOUTS:
            scouting.add(job_id)
        return job_id in scouting

    def asked(self, job_id: int, age_s: float) -> None:
        """Remember at which age a job's answer was not there yet, to learn the latency."""
        self._asked_s[job_id] = age_s

    def last_asked_s(self, job_id: int) -> float:
        """Return that age, and forget it."""
        return self._asked_s.pop(job_id, 0.0)

    def remember_slot(self, request_id: str, slot: Slot) -> None:
        """Keep the slot of an accepted attempt while its tokens may still be settled."""
        self._slots[request_id] = slot
        while len(self._slots) > SLOTS_KEPT:
            self._slots.popitem(last=False)

    def settle_slot(self, request_id: str, model: str, tokens: int) -> None:
        """Tell the limiter what an attempt really used."""
        slot = self._slots.pop(request_id, None)
        if slot is not None:
            self.limiter.settle(slot, tokens)
            self.learned.observe_tokens(model, slot.tokens, tokens)

    def ring(self) -> None:
        """Wake both stages: something is new."""
        self._active_at = -1.0
        self.submit_bell.set()
        self.collect_bell.set()

    def stop(self) -> None:
        """Claim nothing more; callable from any thread."""
        self.stopping = True
        self.loop.call_soon_threadsafe(self.ring)

    def close(self, grace_s: float) -> None:
        """Wait until nothing is in flight, then leave in good order; from another thread."""
        self.stop()
        self.run(self._drain(grace_s))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.database.close()

    async def _drain(self, grace_s: float) -> None:
        ended = self.loop.time() + grace_s
        while self.in_flight() and self.loop.time() < ended:  # noqa: ASYNC110 - one place, once
            await asyncio.sleep(0.01)
        self._closer.cancel()
        await self.committer.ask(lambda c, _: workers.leave(c, self.worker, self.now_ms()))
        await self.loop.run_in_executor(None, self.committer.close)
        self.spool.close()
        await self.limiter.close()
        await self.learned.close()
        await self.api.close()

    def in_flight(self) -> bool:
        """Return whether jobs are in the hands of this process."""
        me = asyncio.current_task(self.loop)
        return any(
            t is not me and t.get_name().startswith(("post ", "get ")) for t in asyncio.all_tasks(self.loop)
        )

    async def _finish_runs(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            touched, self._ended_in = self._ended_in, set()
            long = {activity.run.id for activity in self._active if activity.is_long}
            self._ended_in |= touched & long
            for run_id in touched - long:
                try:
                    await self.committer.ask(lambda c, d, r=run_id: self._finish(c, d, r))  # type: ignore[misc]
                except RunnerError:
                    log.exception("run.finish_failed run=%d", run_id)

    def _finish(self, connection: Connection, deltas: Deltas, run_id: int) -> bool:
        deltas.write(connection)  # so that the sums hold this transaction's own moves
        return runs.finish_if_done(connection, run_id, self.now_ms())

    def _read_active(self) -> list[Activity]:
        with self.database.read() as connection:
            found = runs.in_states(connection, [RunState.RUNNING, RunState.WAITING, RunState.PAUSED])
            counted = [(run, counters.read(connection, run.id)) for run in found]
        return [Activity(run=run, states=counters.states(counts), counts=counts) for run, counts in counted]

    async def _sent_lately(self) -> dict[str, list[tuple[int, int]]]:
        rows = await self.loop.run_in_executor(None, sent_lately.read, self.database, self.now_ms())
        entries: dict[str, list[tuple[int, int]]] = {}
        for model, age_us, tokens in rows:
            entries.setdefault(self.bucket(model), []).append((age_us, tokens))
        return entries


def _lowest(said: list[int | None]) -> int | None:
    """Take the lowest limit that was set; 0 is `none`, which counts only when nobody set a number."""
    numbers = [n for n in said if n]
    if numbers:
        return min(numbers)
    return 0 if said and all(n == 0 for n in said) else None


def _local_ms() -> int:
    return time.time_ns() // 1_000_000
