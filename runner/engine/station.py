"""The station: what one worker process holds. One event loop in a thread of its own, one HTTP session,
one spool, one committer, one limiter client. Stages run on its loop and share all of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from runner.api import account
from runner.api.xai import XAI
from runner.db import runs, workers
from runner.db.session import Database
from runner.db.stopwatch import ANSWER_S
from runner.engine import activity, rebuild, sign_of_life
from runner.engine.activity import SENDING, Activity
from runner.engine.breaker import Breaker
from runner.engine.clock import SharedClock
from runner.engine.committer import Committer
from runner.engine.disk import Disk
from runner.engine.doubt import Pricing, pricing_by
from runner.engine.host import host_of
from runner.engine.oversight import Oversight
from runner.engine.settle import Policy
from runner.engine.spool import Segment, Spool
from runner.engine.streak import AWAY_AFTER
from runner.engine.team import Team
from runner.limiter.learned import Learned
from runner.limiter.limiter import Caps, Limiter, LimiterUnavailable
from runner.rules import models, polling, tokens
from runner.rules.completion import Flaw
from runner.rules.prices import day_of
from runner.rules.states import JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from datetime import date

    from runner.db.leases import Claimed, Leased
    from runner.settings import Settings

REFRESH_S = 0.3
IDLE_S = 0.5
UNKNOWN_RPM, UNKNOWN_TPM = 120, 200_000  # of a model that the table does not know
T = TypeVar("T")
log = logging.getLogger("runner.station")


class Station:
    """Opens everything at once; `run` brings a coroutine of a stage onto its loop."""

    def __init__(self, settings: Settings, node: str) -> None:
        self.settings, self.node = settings, node
        self.database = Database(settings.effective_database_url, answer_s=ANSWER_S)
        self.random = random.Random()  # noqa: S311 - jitter
        self.prices = pricing_by(settings.base_url, settings.prices)
        self.stopping = False
        self.submit_bell = asyncio.Event()
        self.collect_bell = asyncio.Event()
        self.next_due_ms: int | None = None
        self._scouting: defaultdict[str, set[int]] = defaultdict(set)
        self.oversight = Oversight(self)
        self._active: list[Activity] = []
        self._policies: dict[int, Policy] = {}  # as long as what is active is remembered
        self._buckets: dict[tuple[str | None, str], str] = {}
        self._charged: dict[str, bool] = {}
        self._active_at = -1.0
        self._refreshing = asyncio.Lock()
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="station", daemon=True)
        self._thread.start()
        self.run(self._open())

    async def _open(self) -> None:
        settings, database = self.settings, self.database
        self.host = host_of(settings)
        self.clock = SharedClock(database.now_ms)
        with database.write() as connection:
            self.worker = workers.enter(
                connection, host=self.host, node=self.node, pid=os.getpid(), now_ms=database.now_ms()
            )
            # Within the transaction: a worker on record without a locked spool counts as dead.
            self.spool = Spool(settings.spool_dir, self.worker)
            self.disk = Disk(settings.spool_dir)
        self.committer = Committer(database, self.loop, shard=self.worker)
        self.api = XAI(settings, connections=settings.concurrency * 2)
        self.http = asyncio.Semaphore(settings.concurrency)
        self.limiter = Limiter(settings.effective_redis_url, rebuild=lambda: rebuild.sent_lately(self))
        self.learned = Learned(settings.effective_redis_url)
        self.breaker = Breaker(settings.effective_redis_url, self.pause)
        self.team = Team(self.api, settings.effective_redis_url, account.key_name(settings), self.random)
        self._overseeing = self.loop.create_task(self.oversight.run())
        self._living = self.loop.create_task(sign_of_life.run(self))

    def run(self, stage: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the station's loop from another thread; return what it returns."""
        return asyncio.run_coroutine_threadsafe(stage, self.loop).result()

    def now_ms(self) -> int:
        """Return the time by the database's clock, which all hosts share."""
        return self.clock.now_ms()

    def bucket(self, model: str) -> str:
        """Name the limiter's bucket: limits hold per team and the model that serves, by whatever name."""
        known = self._buckets.get((self.team.name, model))
        if known is None:
            known = f"{self.team.name}:{models.serving(model, self._today())}"
            self._buckets[self.team.name, model] = known
        return known

    def policy(self, run_id: int) -> Policy:
        """Return what a run says about attempts."""
        known = self._policies.get(run_id)
        if known is None:
            known = self._policies[run_id] = self._policy(run_id)
        return known

    def _policy(self, run_id: int) -> Policy:
        options = next((a.run.options for a in self._active if a.run.id == run_id), runs.RunOptions())
        return Policy(
            max_attempts=options.max_attempts,
            on_ambiguous="hold" if options.on_ambiguous == "hold" else "resubmit",
            fail_on=frozenset(Flaw(word) for word in options.fail_on),
            pricing=self.pricing(run_id),
        )

    def pricing(self, run_id: int) -> Pricing:
        """Return by what a run's answers are priced."""
        counts = next((a.counts for a in self._active if a.run.id == run_id), None)
        return replace(self.prices, counts=counts)

    def caps(self) -> Caps:
        """Return the user's limits: the lowest among the runs that send, or else that collect."""
        sending = [a.run.options for a in self._active if a.run.state in SENDING]
        options = sending or [a.run.options for a in self._active]
        return Caps(rpm=_lowest([o.rpm for o in options]), tpm=_lowest([o.tpm for o in options]), rps=None)

    def fallback(self, names: Iterable[str]) -> Caps:
        """Return the model table's limits, for while the API has announced none.

        The lowest among the models asked for and those that serve them: nobody knows whose limits hold.
        """
        asked = set(names)
        known = [
            models.facts(name) for name in asked | {models.serving(name, self._today()) for name in asked}
        ]
        return Caps(
            rpm=min(facts.rpm if facts else UNKNOWN_RPM for facts in known),
            tpm=min(facts.tpm if facts else UNKNOWN_TPM for facts in known),
        )

    def polls_charged(self, model: str) -> bool:
        """Return whether a poll needs a slot; not while nobody knows whose limits hold."""
        known = self._charged.get(model)
        if known is None:
            said = self.settings.charge_polls
            if said == "never" or self.team.name is None:
                return False
            known = said == "always" or self.limiter.polls_charged(self.bucket(model))
            self._charged[model] = known
        return known

    def known_charged(self, model: str) -> bool:
        """Return the same as last seen, without looking: for any thread."""
        return self._charged.get(model, False)

    async def may_send(self, sending: Iterable[Activity]) -> bool:
        """Return whether the disk has room, and the team is known whose limits hold; else tell the runs."""
        sending = list(sending)
        if await self.is_full(sending):
            return False
        try:
            trouble = await self.team.settle()
        except LimiterUnavailable as error:
            log.warning("limiter.away cause=%s", error)
            for run_id in [activity.run.id for activity in sending]:
                await self.away(run_id, self.redis_advice(error))
            return False
        if trouble is not None:
            for run_id in [activity.run.id for activity in sending]:
                if trouble.refused:
                    await self.pause(run_id, PauseReason.KEY, trouble.why)
                elif trouble.tries >= AWAY_AFTER:
                    await self.away(run_id, trouble.why)
        return trouble is None

    def redis_advice(self, error: LimiterUnavailable) -> str:
        """Say what to do about a Redis that is away; the engine starts its own again by itself."""
        return error.what if self.settings.embedded else f"{error.what}; {error.fix}"

    def note_sent(self, job_id: int, attempt: int) -> Segment | None:
        """Put a POST that is about to leave in the spool; None where the disk does not take it."""
        if self.disk.trouble():
            return None
        try:
            return self.spool.sent(job_id, attempt)
        except OSError as error:
            log.error("spool.failed cause=%s", error)
            self.disk.refused(error)
            return None

    async def is_full(self, at_work: Iterable[Activity]) -> bool:
        """Return whether the disk takes nothing more, and tell the runs: they go on by themselves."""
        trouble = self.disk.trouble()
        if trouble is None:
            return False
        for run_id in [one.run.id for one in at_work if one.run.state is RunState.RUNNING]:
            await self.away(run_id, trouble)
            await self.active(fresh=True)
        return True

    def _today(self) -> date:
        return day_of(self.now_ms())

    async def active(self, *, fresh: bool = False) -> list[Activity]:
        """Return the runs with jobs on their way, at most REFRESH_S old."""
        async with self._refreshing:
            if fresh or self.loop.time() - self._active_at > REFRESH_S:
                self._active = await self.loop.run_in_executor(None, activity.read, self.database)
                self._active_at = self.loop.time()
                self._policies.clear()
                self._buckets.clear()
                self._charged.clear()
        return self._active

    @property
    def last_active(self) -> list[Activity]:
        """Return the same as last seen, however old that is."""
        return self._active

    def is_running(self, run_id: int) -> bool:
        """Return whether a run may submit, as last seen."""
        return any(a.run.id == run_id and a.run.state in SENDING for a in self._active)

    async def pause(self, run_id: int, reason: PauseReason, why: str) -> None:
        """Stop submitting for a run until a person says otherwise."""
        if await self.committer.ask(lambda c, _: runs.pause(c, run_id, reason, why, self.now_ms())):
            log.warning("run.paused run=%d reason=%s", run_id, reason)
        await self.active(fresh=True)

    async def away(self, run_id: int, why: str) -> None:
        """Say that a run waits for a service; submitting goes on as probes, few and far between."""
        if await self.committer.ask(lambda c, _: runs.wait(c, run_id, why, self.now_ms())):
            log.warning("run.waiting run=%d cause=%s", run_id, why)

    async def back(self, run_id: int) -> None:
        """End such a wait: the API does what it is for."""
        if any(a.run.id == run_id and a.run.state is RunState.WAITING for a in self._active):
            await self.committer.ask(lambda c, _: runs.go_on(c, run_id, self.now_ms()))
            await self.active(fresh=True)

    def only_collects(self, run_id: int) -> bool:
        """Return whether nothing of a run is left to submit, as last seen."""
        return any(a.run.id == run_id and not a.states[JobState.PENDING] for a in self._active)

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

    def tokens(self, job: Leased) -> int:
        """Estimate what an attempt counts against the TPM, by what the model's answers taught."""
        return max(1, round(self._expected_tokens(job) * self.learned.token_ratio(job.model)))

    def settle_tokens(self, job: Claimed, used: int) -> None:
        """Tell the limiter what an attempt really used, whoever sent it."""
        if job.slot and self.team.name is not None:
            self.limiter.settle(self.bucket(job.model), job.slot, used)

    def learn_tokens(self, job: Claimed, used: int) -> None:
        """Learn from what an attempt really used."""
        self.learned.observe_tokens(job.model, self._expected_tokens(job), used)

    def _expected_tokens(self, job: Leased | Claimed) -> int:
        """Guess without what was learnt; the user may know the hidden overhead better than the table."""
        prompt_tokens, own = job.prompt_tokens, self.settings.prompt_overhead_tokens
        if own is not None:
            facts = models.facts(job.model)
            prompt_tokens += own - (facts.prompt_overhead_tokens if facts else 0)
        return max(1, tokens.expected(max(0, prompt_tokens), job.output_tokens_max))

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
        self._overseeing.cancel()
        self._living.cancel()
        is_done = self.spool.is_saved and not self.in_flight()  # else its host recovers what is in there
        if is_done:
            self.spool.close()  # first: nobody looks for the files of a worker that has left
            await self.committer.ask(lambda c, _: workers.leave(c, self.worker, self.now_ms()))
        await self.loop.run_in_executor(None, self.committer.close)
        if not is_done:
            self.spool.close()
        await self.limiter.close()
        await self.learned.close()
        await self.breaker.close()
        await self.team.close()
        await self.api.close()

    def in_flight(self) -> bool:
        """Return whether jobs are in the hands of this process."""
        return bool(self.held())

    def held(self) -> set[int]:
        """Return the jobs that this process is sending or fetching."""
        names = (task.get_name().split() for task in asyncio.all_tasks(self.loop))
        return {int(words[1]) for words in names if words[0] in ("post", "get")}


def _lowest(said: list[int | None]) -> int | None:
    """Take the lowest limit that was set; 0 is `none`, which counts only when nobody set a number."""
    numbers = [n for n in said if n]
    if numbers:
        return min(numbers)
    return 0 if said and all(n == 0 for n in said) else None
