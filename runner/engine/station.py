"""The station: what one worker process holds. One event loop in its own thread, one HTTP session, one spool,
one group commit, one limiter client. The stages run on its loop and share all of it.
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
from runner.engine import activity
from runner.engine.activity import SENDING, Activity
from runner.engine.breaker import Breaker
from runner.engine.clock import SharedClock
from runner.engine.committer import Committer
from runner.engine.disk import Disk
from runner.engine.doubt import Pricing, pricing_by
from runner.engine.heartbeat import Heartbeat
from runner.engine.host import host_of
from runner.engine.rebuild_limiter import RecentSends
from runner.engine.run_monitor import RunMonitor
from runner.engine.settle import Policy
from runner.engine.spool import Segment, Spool
from runner.engine.streak import AWAY_AFTER
from runner.engine.supervisor import Supervisor
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
    """Opens everything when it is made; `run` runs a coroutine of a stage on its loop."""

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
        self.team = Team(self.api, settings.effective_redis_url, account.key_name(settings), self.random)
        recent_sends = RecentSends(
            database=database, now_ms=self.now_ms, worker=self.worker, team=self.team, bucket=self.bucket
        )
        self.limiter = Limiter(settings.effective_redis_url, rebuild=recent_sends.read)
        self.learned = Learned(settings.effective_redis_url)
        self.breaker = Breaker(settings.effective_redis_url, self.pause)
        self._start_supervised()

    def _start_supervised(self) -> None:
        """Start the tasks that live as long as this worker."""
        heartbeat = Heartbeat(
            committer=self.committer,
            clock=self.clock,
            worker=self.worker,
            held=self.held,
            pricing=self.prices,
        )
        self.run_monitor = RunMonitor(
            committer=self.committer,
            now_ms=self.now_ms,
            active=lambda: self.last_active,
            pause=self.pause,
            has_answers_due=lambda: self.next_due_ms is not None,
            clock_skew_s=lambda: self.api.clock_skew_s,
        )
        self.supervisor = Supervisor()
        self.supervisor.start("heartbeat", heartbeat.run)
        self.supervisor.start("run monitor", self.run_monitor.run)

    def run(self, stage: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the station's loop from another thread; return what it returns."""
        return asyncio.run_coroutine_threadsafe(stage, self.loop).result()

    def now_ms(self) -> int:
        """Return the time of the database's clock, which all hosts share."""
        return self.clock.now_ms()

    def bucket(self, model: str) -> str:
        """Return the limiter's bucket of a model: limits hold per team and serving model, not per alias."""
        known = self._buckets.get((self.team.name, model))
        if known is None:
            known = f"{self.team.name}:{models.serving(model, self._today())}"
            self._buckets[self.team.name, model] = known
        return known

    def policy(self, run_id: int) -> Policy:
        """Return a run's rules for attempts: how many, which answers fail, what they cost."""
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
        """Return the prices for a run's answers, with its counters."""
        counts = next((a.counts for a in self._active if a.run.id == run_id), None)
        return replace(self.prices, counts=counts)

    def caps(self) -> Caps:
        """Return the user's limits: the lowest among the runs that send, or else that collect."""
        sending = [a.run.options for a in self._active if a.run.state in SENDING]
        options = sending or [a.run.options for a in self._active]
        return Caps(rpm=_lowest([o.rpm for o in options]), tpm=_lowest([o.tpm for o in options]), rps=None)

    def fallback(self, names: Iterable[str]) -> Caps:
        """Return the model table's limits, for use until the API has announced its own.

        The lowest among the models asked for and those that serve them: it is unknown whose limits hold.
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
        """Return whether a poll needs a slot; False until the team is known."""
        known = self._charged.get(model)
        if known is None:
            said = self.settings.charge_polls
            if said == "never" or self.team.name is None:
                return False
            known = said == "always" or self.limiter.polls_charged(self.bucket(model))
            self._charged[model] = known
        return known

    def known_charged(self, model: str) -> bool:
        """Return the last result of `polls_charged`; callable from any thread."""
        return self._charged.get(model, False)

    async def may_send(self, sending: Iterable[Activity]) -> bool:
        """Return whether the disk has room and the team is known; else put the runs on wait or pause."""
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
        """Return what to do about a Redis that is away; the embedded engine restarts its own."""
        return error.what if self.settings.embedded else f"{error.what}; {error.fix}"

    def note_sent(self, job_id: int, attempt: int) -> Segment | None:
        """Record a POST in the spool right before it is sent; return None if the disk does not take it."""
        if self.disk.trouble():
            return None
        try:
            return self.spool.sent(job_id, attempt)
        except OSError as error:
            log.error("spool.failed cause=%s", error)
            self.disk.refused(error)
            return None

    async def is_full(self, at_work: Iterable[Activity]) -> bool:
        """Return whether the disk is full; if so put the running ones of the runs on wait."""
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
        """Return the runs at work, read at most REFRESH_S ago; `fresh`: read now."""
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
        """Return the runs of the last read, however old it is."""
        return self._active

    def is_running(self, run_id: int) -> bool:
        """Return whether a run may submit, as of the last read."""
        return any(a.run.id == run_id and a.run.state in SENDING for a in self._active)

    async def pause(self, run_id: int, reason: PauseReason, why: str) -> None:
        """Pause submitting for a run until a person resumes it."""
        if await self.committer.ask(lambda c, _: runs.pause(c, run_id, reason, why, self.now_ms())):
            log.warning("run.paused run=%d reason=%s", run_id, reason)
        await self.active(fresh=True)

    async def away(self, run_id: int, why: str) -> None:
        """Record that a run waits for a service; submitting continues as rare probes."""
        if await self.committer.ask(lambda c, _: runs.wait(c, run_id, why, self.now_ms())):
            log.warning("run.waiting run=%d cause=%s", run_id, why)

    async def back(self, run_id: int) -> None:
        """End such a wait: the API works again."""
        if any(a.run.id == run_id and a.run.state is RunState.WAITING for a in self._active):
            await self.committer.ask(lambda c, _: runs.go_on(c, run_id, self.now_ms()))
            await self.active(fresh=True)

    def only_collects(self, run_id: int) -> bool:
        """Return whether a run has no pending jobs, as of the last read."""
        return any(a.run.id == run_id and not a.states[JobState.PENDING] for a in self._active)

    def collect_at(self, due_at_ms: int) -> None:
        """Wake the collect loop if an answer is due earlier than what it waits for."""
        if self.next_due_ms is None or due_at_ms < self.next_due_ms:
            self.next_due_ms = due_at_ms
            self.collect_bell.set()

    def scouts(self, model: str, job_id: int) -> bool:
        """Return whether a job is one of the first of its model here, whose polls measure the latency."""
        scouting = self._scouting[model]
        if len(scouting) < polling.SCOUTS:
            scouting.add(job_id)
        return job_id in scouting

    def tokens(self, job: Leased) -> int:
        """Estimate the tokens that an attempt counts against the TPM, by the ratio learned from answers."""
        return max(1, round(self._expected_tokens(job) * self.learned.token_ratio(job.model)))

    def settle_tokens(self, job: Claimed, used: int) -> None:
        """Pass an attempt's real token count to the limiter, whichever worker sent it."""
        if job.slot and self.team.name is not None:
            self.limiter.settle(self.bucket(job.model), job.slot, used)

    def learn_tokens(self, job: Claimed, used: int) -> None:
        """Learn from an attempt's real token count."""
        self.learned.observe_tokens(job.model, self._expected_tokens(job), used)

    def _expected_tokens(self, job: Leased | Claimed) -> int:
        """Estimate without the learned ratio; a user's setting for hidden overhead replaces the table's."""
        prompt_tokens, own = job.prompt_tokens, self.settings.prompt_overhead_tokens
        if own is not None:
            facts = models.facts(job.model)
            prompt_tokens += own - (facts.prompt_overhead_tokens if facts else 0)
        return max(1, tokens.expected(max(0, prompt_tokens), job.output_tokens_max))

    def wake(self) -> None:
        """Wake both loops and make them read the runs again."""
        self._active_at = -1.0
        self.submit_bell.set()
        self.collect_bell.set()

    def stop(self) -> None:
        """Claim nothing more; callable from any thread."""
        self.stopping = True
        self.loop.call_soon_threadsafe(self.wake)

    def close(self, grace_s: float) -> None:
        """Wait up to `grace_s` until nothing is in flight, then close everything; for another thread."""
        self.stop()
        self.run(self._drain(grace_s))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.database.close()

    async def _drain(self, grace_s: float) -> None:
        ended = self.loop.time() + grace_s
        while self.in_flight() and self.loop.time() < ended:  # noqa: ASYNC110 - one place, once
            await asyncio.sleep(0.01)
        await self.supervisor.close()
        is_done = self.spool.is_saved and not self.in_flight()  # else its host recovers what is in there
        if is_done:
            self.spool.close()  # first: the files of a worker that has left are not looked for
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
        """Return whether this process is sending or fetching jobs."""
        return bool(self.held())

    def held(self) -> set[int]:
        """Return the ids of the jobs that this process is sending or fetching."""
        names = (task.get_name().split() for task in asyncio.all_tasks(self.loop))
        return {int(words[1]) for words in names if words[0] in ("post", "get")}


def _lowest(said: list[int | None]) -> int | None:
    """Return the lowest limit that was set; 0 is `none`, which counts only if no run set a number."""
    numbers = [n for n in said if n]
    if numbers:
        return min(numbers)
    return 0 if said and all(n == 0 for n in said) else None
