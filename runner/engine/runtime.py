"""The runtime: what one worker process holds. One event loop in its own thread, one HTTP session, one spool,
one group commit, one limiter client. The stages run on its loop and share all of it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import uvloop

from runner.api import account
from runner.api.client import XAIClient
from runner.db import missing_answers, runs, workers
from runner.db.session import Database
from runner.db.statement_timeout import ANSWER_TIMEOUT_S
from runner.engine import active_runs
from runner.engine.active_runs import SUBMITTING_STATES, ActiveRun
from runner.engine.circuit_breaker import CircuitBreaker
from runner.engine.consecutive_failures import UNAVAILABLE_AFTER
from runner.engine.cost_bounds import PriceBasis, price_basis
from runner.engine.disk_space import DiskSpace
from runner.engine.group_commit import GroupCommit
from runner.engine.heartbeat import Heartbeat
from runner.engine.host_id import host_id
from runner.engine.rebuild_limiter import RecentSends
from runner.engine.run_monitor import RunMonitor
from runner.engine.settle import Policy
from runner.engine.shared_clock import SharedClock
from runner.engine.spool import Segment, Spool
from runner.engine.supervisor import Supervisor
from runner.engine.team import Team
from runner.limiter.estimates import SharedEstimates
from runner.limiter.limiter import Limiter, LimiterUnavailable, RateLimits
from runner.rules import breaker, models, tokens
from runner.rules.chat_completion import Flaw
from runner.rules.prices import day_of
from runner.rules.probes import PROBES
from runner.rules.states import JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from datetime import date

    from runner.db.leases import ClaimedJob, Lease, LeasedJob
    from runner.settings import Settings

REFRESH_S = 0.3
IDLE_S = 0.5
LOOP_ANSWERS_S = 2.0
T = TypeVar("T")
log = logging.getLogger("runner.runtime")


class Runtime:
    """Opens everything when it is made; `run` runs a coroutine of a stage on its loop."""

    def __init__(self, settings: Settings, node: str) -> None:
        self.settings, self.node = settings, node
        self.database = Database(settings.effective_database_url, answer_timeout_s=ANSWER_TIMEOUT_S)
        self.random = random.Random()  # noqa: S311 - jitter
        self.prices = price_basis(settings.base_url, settings.prices)
        self.stopping = False
        self.submit_wakeup = asyncio.Event()
        self.collect_wakeup = asyncio.Event()
        self.next_due_ms: int | None = None
        self.fetch_outage = False  # fetches bring no answers: see engine.fetch_outage
        self._probing: defaultdict[str, set[int]] = defaultdict(set)
        self._active: list[ActiveRun] = []
        self._policies: dict[int, Policy] = {}  # as long as what is active is remembered
        self._buckets: dict[tuple[str | None, str], str] = {}
        self._charged: dict[str, bool] = {}
        self._active_at = -1.0
        self._refreshing = asyncio.Lock()
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="runtime", daemon=True)
        self._thread.start()
        self.run(self._open())

    async def _open(self) -> None:
        settings, database = self.settings, self.database
        self.host = host_id(settings)
        self.clock = SharedClock(database.now_ms)
        with database.write() as connection:
            self.worker = workers.register(
                connection, host=self.host, node=self.node, pid=os.getpid(), now_ms=database.now_ms()
            )
            # Within the transaction: a worker on record without a locked spool counts as dead.
            self.spool = Spool(settings.spool_dir, self.worker)
            self.disk = DiskSpace(settings.spool_dir)
        self.group_commit = GroupCommit(database, self.loop, shard=self.worker)
        self.api = XAIClient(settings, connections=settings.concurrency * 2)
        self.http_slots = asyncio.Semaphore(settings.concurrency)
        self.team = Team(
            self.api, settings.effective_redis_url, account.key_fingerprint(settings), self.random
        )
        recent_sends = RecentSends(
            database=database, now_ms=self.now_ms, worker=self.worker, team=self.team, bucket=self.bucket
        )
        self.limiter = Limiter(settings.effective_redis_url, rebuild=recent_sends.read)
        self.estimates = SharedEstimates(settings.effective_redis_url)
        self.breaker = CircuitBreaker(settings.effective_redis_url, self.pause, self._are_most_missing)
        self._start_supervised()

    def _start_supervised(self) -> None:
        """Start the tasks that live as long as this worker."""
        heartbeat = Heartbeat(
            group_commit=self.group_commit,
            clock=self.clock,
            worker=self.worker,
            jobs_in_flight=self.jobs_in_flight,
            pricing=self.prices,
        )
        self.run_monitor = RunMonitor(
            group_commit=self.group_commit,
            now_ms=self.now_ms,
            active=lambda: self.cached_active_runs,
            pause=self.pause,
            has_answers_due=lambda: self.next_due_ms is not None,
            clock_skew_s=lambda: self.api.clock_skew_s,
            prices=self.prices,
        )
        self.supervisor = Supervisor()
        self.supervisor.start("heartbeat", heartbeat.run)
        self.supervisor.start("run monitor", self.run_monitor.run)

    def run(self, stage: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the runtime's loop from another thread; return what it returns."""
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

    def pricing(self, run_id: int) -> PriceBasis:
        """Return the prices for a run's answers, with its counters."""
        counts = next((a.counts for a in self._active if a.run.id == run_id), None)
        return replace(self.prices, counts=counts)

    def user_limits(self) -> RateLimits:
        """Return the user's limits: the lowest among the runs that send, or else that collect."""
        sending = [a.run.options for a in self._active if a.run.state in SUBMITTING_STATES]
        options = sending or [a.run.options for a in self._active]
        return RateLimits(
            rpm=_lowest([o.rpm for o in options]), tpm=_lowest([o.tpm for o in options]), rps=None
        )

    def fallback_limits(self, names: Iterable[str]) -> RateLimits:
        """Return the model table's limits, for use until the API has announced its own.

        The lowest among the models asked for and those that serve them: it is unknown whose limits hold.
        """
        asked = set(names)
        known = [
            models.limits(name) for name in asked | {models.serving(name, self._today()) for name in asked}
        ]
        return RateLimits(rpm=min(rpm for rpm, _ in known), tpm=min(tpm for _, tpm in known))

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

    def cached_polls_charged(self, model: str) -> bool:
        """Return the last result of `polls_charged`; callable from any thread."""
        return self._charged.get(model, False)

    async def can_send(self, sending: Iterable[ActiveRun]) -> bool:
        """Return whether the disk has space and the team is known; else set the runs to waiting or paused."""
        sending = list(sending)
        if await self.is_disk_full(sending) or self._is_probing_fetches():
            return False
        try:
            problem = await self.team.resolve()
        except LimiterUnavailable as error:
            log.warning("limiter.unavailable cause=%s", error)
            for run_id in [active_run.run.id for active_run in sending]:
                await self.set_waiting(run_id, self.redis_advice(error))
            return False
        if problem is not None:
            for run_id in [active_run.run.id for active_run in sending]:
                if problem.reason is not None:
                    await self.pause(run_id, problem.reason, problem.why)
                elif problem.tries >= UNAVAILABLE_AFTER:
                    await self.set_waiting(run_id, problem.why)
        return problem is None

    def _is_probing_fetches(self) -> bool:
        """Return whether an answer that is due shows when an outage of the fetches is over: nothing is sent.

        While none is due, one job at a time is sent as a probe: else one bad answer would stop a run.
        """
        return self.fetch_outage and self.next_due_ms is not None and self.next_due_ms <= self.now_ms()

    def redis_advice(self, error: LimiterUnavailable) -> str:
        """Return what to do about a Redis that is away; the embedded engine restarts its own."""
        return error.what if self.settings.embedded else f"{error.what}; {error.fix}"

    def record_send(self, job_id: int, attempt: int) -> Segment | None:
        """Record a POST in the spool right before it is sent; return None if the disk does not take it."""
        if self.disk.problem():
            return None
        try:
            return self.spool.append_sent(job_id, attempt)
        except OSError as error:
            log.error("spool.failed cause=%s", error)
            self.disk.write_failed(error)
            return None

    async def is_disk_full(self, at_work: Iterable[ActiveRun]) -> bool:
        """Return whether the disk is full; if so put the running ones of the runs on wait."""
        problem = self.disk.problem()
        if problem is None:
            return False
        for run_id in [one.run.id for one in at_work if one.run.state is RunState.RUNNING]:
            await self.set_waiting(run_id, problem)
            await self.active_runs(fresh=True)
        return True

    def _today(self) -> date:
        return day_of(self.now_ms())

    async def active_runs(self, *, fresh: bool = False) -> list[ActiveRun]:
        """Return the runs at work, read at most REFRESH_S ago; `fresh`: read now."""
        async with self._refreshing:
            if fresh or self.loop.time() - self._active_at > REFRESH_S:
                self._active = await self.loop.run_in_executor(None, active_runs.read, self.database)
                self._active_at = self.loop.time()
                self._policies.clear()
                self._buckets.clear()
                self._charged.clear()
        return self._active

    @property
    def cached_active_runs(self) -> list[ActiveRun]:
        """Return the runs of the last read, however old it is."""
        return self._active

    def is_running(self, run_id: int) -> bool:
        """Return whether a run may submit, as of the last read."""
        return any(a.run.id == run_id and a.run.state in SUBMITTING_STATES for a in self._active)

    async def pause(self, run_id: int, reason: PauseReason, why: str) -> None:
        """Pause submitting for a run until a person resumes it."""
        if await self.group_commit.execute(lambda c, _: runs.pause(c, run_id, reason, why, self.now_ms())):
            log.warning("run.paused run=%d reason=%s", run_id, reason)
        await self.active_runs(fresh=True)

    async def _are_most_missing(self, failed: Sequence[Lease]) -> bool:
        answered, missing = await self.group_commit.execute(
            lambda connection, _: missing_answers.answered_and_missing(connection, failed)
        )
        return breaker.are_most_missing(answered, missing)

    async def set_waiting(self, run_id: int, why: str) -> None:
        """Record that a run waits for a service; submitting continues as rare probes."""
        if await self.group_commit.execute(lambda c, _: runs.wait(c, run_id, why, self.now_ms())):
            log.warning("run.waiting run=%d cause=%s", run_id, why)

    async def end_waiting(self, run_id: int) -> None:
        """End such a wait: the API works again."""
        if self.fetch_outage:  # an accepted submit does not end it, a fetched answer does
            return
        if any(a.run.id == run_id and a.run.state is RunState.WAITING for a in self._active):
            await self.group_commit.execute(lambda c, _: runs.end_wait(c, run_id, self.now_ms()))
            await self.active_runs(fresh=True)

    def has_nothing_to_submit(self, run_id: int) -> bool:
        """Return whether a run has no jobs that may be submitted, as of the last read."""
        return any(a.run.id == run_id and a.has_nothing_to_submit for a in self._active)

    def has_accepted(self, run_id: int) -> bool:
        """Return whether the API took a submit of a run, as of the last read."""
        return any(a.run.id == run_id and a.counts.get(("attempts", "accepted")) for a in self._active)

    def unsent_jobs(self, run_id: int) -> int:
        """Return how many jobs of a run are pending or being submitted, as of the last read."""
        unsent = (JobState.PENDING, JobState.SUBMITTING)
        return sum(a.states[state] for a in self._active if a.run.id == run_id for state in unsent)

    def wake_collector_at(self, due_at_ms: int) -> None:
        """Wake the collect loop if an answer is due earlier than what it waits for."""
        if self.next_due_ms is None or due_at_ms < self.next_due_ms:
            self.next_due_ms = due_at_ms
            self.collect_wakeup.set()

    def is_probe(self, model: str, job_id: int) -> bool:
        """Return whether a job is one of the first of its model here, whose polls measure the latency."""
        probes = self._probing[model]
        if len(probes) < PROBES:
            probes.add(job_id)
        return job_id in probes

    def estimate_tokens(self, job: LeasedJob) -> int:
        """Estimate the tokens that an attempt counts against the TPM, by the ratio learned from answers."""
        return max(1, round(self._expected_tokens(job) * self.estimates.token_ratio(job.model)))

    def settle_tokens(self, job: ClaimedJob, used: int) -> None:
        """Pass an attempt's real token count to the limiter, whichever worker sent it."""
        if job.slot and self.team.name is not None:
            self.limiter.settle(self.bucket(job.model), job.slot, used)

    def observe_tokens(self, job: ClaimedJob, used: int) -> None:
        """Learn from an attempt's real token count."""
        self.estimates.observe_tokens(job.model, self._expected_tokens(job), used)

    def _expected_tokens(self, job: LeasedJob | ClaimedJob) -> int:
        """Estimate without the learned ratio; a user's setting for hidden overhead replaces the table's."""
        prompt_tokens, own = job.prompt_tokens, self.settings.prompt_overhead_tokens
        if own is not None:
            facts = models.facts(job.model)
            prompt_tokens += own - (facts.prompt_overhead_tokens if facts else 0)
        return max(1, tokens.expected_tokens(max(0, prompt_tokens), job.output_tokens_max))

    def wake(self) -> None:
        """Wake both loops and make them read the runs again."""
        self._active_at = -1.0
        self.submit_wakeup.set()
        self.collect_wakeup.set()

    def stuck(self) -> str | None:
        """Return why a part of this worker cannot run, as a sentence; None while all can. For any thread."""
        if not self.stopping and not self.group_commit.is_alive:
            return "the thread of the group commit has ended"
        return self.supervisor.stuck()

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
        await self._in_flight_ended(grace_s)
        await self.supervisor.close()
        is_done = (
            self.spool.is_acknowledged and not self.has_jobs_in_flight()
        )  # else its host recovers what is in there
        if is_done:
            self.spool.close()  # first: the files of a worker that has left are not looked for
            await self.group_commit.execute(lambda c, _: workers.record_end(c, self.worker, self.now_ms()))
        await self.loop.run_in_executor(None, self.group_commit.close)
        if not is_done:
            self.spool.close()
        await self.limiter.close()
        await self.estimates.close()
        await self.breaker.close()
        await self.team.close()
        await self.api.close()

    def finish_in_flight(self, grace_s: float) -> None:
        """Claim nothing more and wait up to `grace_s` until nothing is in flight; for another thread.

        Its process can end after that without a request whose outcome is unknown. Return at once if nothing
        can end any more: the event loop does not answer, or the group commit has ended.
        """
        self.stop()
        if not self.group_commit.is_alive:
            return
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result(LOOP_ANSWERS_S)
            asyncio.run_coroutine_threadsafe(self._in_flight_ended(grace_s), self.loop).result(grace_s)

    async def _in_flight_ended(self, grace_s: float) -> None:
        ended = self.loop.time() + grace_s
        while self.has_jobs_in_flight() and self.loop.time() < ended:  # noqa: ASYNC110 - one place
            await asyncio.sleep(0.01)

    def has_jobs_in_flight(self) -> bool:
        """Return whether this process is sending or fetching jobs."""
        return bool(self.jobs_in_flight())

    def jobs_in_flight(self) -> set[int]:
        """Return the ids of the jobs that this process is sending or fetching."""
        names = (task.get_name().split() for task in asyncio.all_tasks(self.loop))
        return {int(words[1]) for words in names if words[0] in ("post", "get")}


def _lowest(said: list[int | None]) -> int | None:
    """Return the lowest limit that was set; 0 is `none`, which counts only if no run set a number."""
    numbers = [n for n in said if n]
    if numbers:
        return min(numbers)
    return 0 if said and all(n == 0 for n in said) else None
