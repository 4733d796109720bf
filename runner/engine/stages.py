"""The stages of one worker: each is built with what it uses; they start and end in the order of this page."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.api import account
from runner.db import missing_answers
from runner.engine.active_runs import ActiveRuns
from runner.engine.answered_at_once import AnswersAtOnce
from runner.engine.attempt_recorder import AttemptRecorder
from runner.engine.circuit_breaker import CircuitBreaker
from runner.engine.collect import Collector, FetchStarter
from runner.engine.dispatch import Dispatcher
from runner.engine.fetch import Fetcher
from runner.engine.fetch_failures import FetchFailures
from runner.engine.fetch_health import FetchHealth
from runner.engine.fetch_outage import FetchOutage
from runner.engine.fetch_outcomes import FetchOutcomes
from runner.engine.heartbeat import Heartbeat
from runner.engine.in_flight import InFlight
from runner.engine.job_estimates import JobEstimates
from runner.engine.keep_answers import AnswerKeeper
from runner.engine.leaser import Leaser
from runner.engine.model_buckets import ModelBuckets
from runner.engine.move_jobs import JobMover
from runner.engine.poll_schedule import PollSchedule
from runner.engine.reaper import Reaper
from runner.engine.rebuild_limiter import RecentSends
from runner.engine.refused_models import RefusedModels
from runner.engine.run_monitor import RunMonitor
from runner.engine.runtime import open_runtime
from runner.engine.send_gate import SendGate
from runner.engine.sender import Sender
from runner.engine.slot_requests import SlotRequests
from runner.engine.spool_writer import SpoolWriter
from runner.engine.submit import Submitter
from runner.engine.submit_failures import SubmitFailures
from runner.engine.submit_health import SubmitHealth
from runner.engine.submit_outcomes import SubmitOutcomes
from runner.engine.supervisor import Supervisor
from runner.engine.team import Team
from runner.engine.wakeups import Wakeups
from runner.limiter.estimates import SharedEstimates
from runner.limiter.limiter import Limiter
from runner.limiter.outcome_window import OutcomeWindow
from runner.limiter.team_names import TeamNames
from runner.rules import breaker as breaker_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.leases import Lease
    from runner.engine.group_commit import GroupCommit
    from runner.engine.runtime import Runtime
    from runner.settings import Settings

LOOP_ANSWERS_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What several stages use: the runs at work, what is estimated per model, and who waits for whom."""

    wakeups: Wakeups
    runs: ActiveRuns
    monitor: RunMonitor
    mover: JobMover
    team: Team
    buckets: ModelBuckets
    limiter: Limiter
    learnt: SharedEstimates
    estimates: JobEstimates
    schedule: PollSchedule
    slots: SlotRequests
    breaker: CircuitBreaker
    outage: FetchOutage
    spool: SpoolWriter
    leaser: Leaser
    in_flight: InFlight


class Stages:
    """The submit loop, the collect loop, the reaper, and the tasks beside them."""

    def __init__(self, runtime: Runtime, shared: Shared) -> None:
        self.runtime, self.shared = runtime, shared
        self.submitter = _submitter(runtime, shared)
        self.collector = _collector(runtime, shared)
        self.reaper = Reaper(
            database=runtime.database,
            spool_dir=runtime.settings.spool_dir,
            host=runtime.host,
            clock=runtime.clock,
            pricing=runtime.prices,
            policy=shared.runs.policy,
        )
        self.heartbeat = Heartbeat(
            group_commit=runtime.group_commit,
            clock=runtime.clock,
            worker=runtime.worker,
            jobs_in_flight=shared.in_flight.job_ids,
            pricing=runtime.prices,
        )
        self.supervisor = Supervisor()

    def start(self) -> None:
        """Start what runs as long as this worker; Celery tasks drive the loops and the reaper."""
        self.shared.team.resolve_early()
        self.supervisor.start("heartbeat", self.heartbeat.run)
        self.supervisor.start("run monitor", self.shared.monitor.run)

    def stuck(self) -> str | None:
        """Return why a part of this worker cannot run, as a sentence; None while all can. For any thread."""
        if not self.shared.wakeups.is_stopping and not self.runtime.group_commit.is_alive:
            return "the thread of the group commit has ended"
        return self.supervisor.stuck()

    def stop(self) -> None:
        """Claim nothing more. For any thread."""
        self.shared.wakeups.is_stopping = True
        self.runtime.loop.call_soon_threadsafe(self.shared.wakeups.wake_all)

    async def close(self, grace_s: float) -> None:
        """Wait up to `grace_s` until nothing is in flight, then end everything in order."""
        self.stop()
        await self.shared.in_flight.wait_until_none(grace_s)
        await self.supervisor.close()
        await self.shared.breaker.flush()
        await self.shared.team.close()
        await self.shared.limiter.close()
        await self.shared.learnt.close()
        await self.runtime.close(is_done=not self.shared.in_flight.job_ids())

    def finish_in_flight(self, grace_s: float) -> None:
        """Claim nothing more and wait up to `grace_s` until nothing is in flight; for another thread.

        Its process can end after that without a request whose outcome is unknown. Return at once if nothing
        can end any more: the event loop does not answer, or the group commit has ended.
        """
        self.stop()
        if not self.runtime.group_commit.is_alive:
            return
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.runtime.loop).result(LOOP_ANSWERS_S)
            ended = self.shared.in_flight.wait_until_none(grace_s)
            asyncio.run_coroutine_threadsafe(ended, self.runtime.loop).result(grace_s)


async def open_stages(settings: Settings, node: str) -> Stages:
    """Open the runtime of a worker on the running loop, build its stages, and start them."""
    runtime = await open_runtime(settings, node)
    stages = Stages(runtime, build_shared(runtime))
    stages.start()
    return stages


def build_shared(runtime: Runtime) -> Shared:
    """Build what the stages share."""
    settings, redis, now_ms = runtime.settings, runtime.redis, runtime.now_ms
    wakeups = Wakeups()
    runs = ActiveRuns(
        database=runtime.database, group_commit=runtime.group_commit, now_ms=now_ms, prices=runtime.prices
    )
    monitor = RunMonitor(
        group_commit=runtime.group_commit,
        now_ms=now_ms,
        active=lambda: runs.cached,
        pause=runs.pause,
        has_answers_due=lambda: wakeups.next_due_ms is not None,
        clock_skew_s=lambda: runtime.api.clock_skew_s,
        prices=runtime.prices,
    )
    team = Team(runtime.api, TeamNames(redis), account.key_fingerprint(settings), runtime.random)
    buckets = ModelBuckets(team, now_ms)
    recent_sends = RecentSends(
        database=runtime.database, now_ms=now_ms, worker=runtime.worker, team=team, bucket=buckets.name
    )
    limiter = Limiter(redis, rebuild=recent_sends.read)
    learnt = SharedEstimates(redis)
    estimates = JobEstimates(learnt, runtime.prices, now_ms, settings.prompt_overhead_tokens)
    return Shared(
        wakeups=wakeups,
        runs=runs,
        monitor=monitor,
        mover=JobMover(runtime.group_commit, monitor, wakeups),
        team=team,
        buckets=buckets,
        limiter=limiter,
        learnt=learnt,
        estimates=estimates,
        schedule=PollSchedule(
            charge_polls=settings.charge_polls,
            team=team,
            buckets=buckets,
            limiter=limiter,
            estimates=learnt,
            clock=runtime.clock,
            random=runtime.random,
        ),
        slots=SlotRequests(limiter, buckets, runs, estimates),
        breaker=CircuitBreaker(
            OutcomeWindow(redis, breaker_rules.WINDOW), runs.pause, MissingAnswers(runtime.group_commit).most
        ),
        outage=FetchOutage(runtime.loop.time),
        spool=SpoolWriter(runtime.spool, runtime.disk),
        leaser=Leaser(runtime.group_commit, runtime.worker, now_ms, settings.lease_s),
        in_flight=InFlight(),
    )


def _submitter(runtime: Runtime, shared: Shared) -> Submitter:
    now_ms = runtime.now_ms
    health = SubmitHealth(runtime.api, shared.runs, shared.breaker, shared.outage, now_ms)
    refused_models = RefusedModels(runtime.database, shared.runs, shared.mover, now_ms)
    failures = SubmitFailures(
        runs=shared.runs,
        limiter=shared.limiter,
        health=health,
        refused_models=refused_models,
        mover=shared.mover,
        now_ms=now_ms,
        random=runtime.random,
    )
    outcomes = SubmitOutcomes(
        failures=failures,
        answers_at_once=AnswersAtOnce(
            spool=shared.spool,
            mover=shared.mover,
            runs=shared.runs,
            limiter=shared.limiter,
            secrets=runtime.api.secrets,
            now_ms=now_ms,
        ),
        health=health,
        refused_models=refused_models,
        spool=shared.spool,
        mover=shared.mover,
        schedule=shared.schedule,
        now_ms=now_ms,
    )
    sender = Sender(
        api=runtime.api,
        http_slots=runtime.http_slots,
        limiter=shared.limiter,
        runs=shared.runs,
        spool=shared.spool,
        health=health,
        refused_models=refused_models,
        monitor=shared.monitor,
        wakeups=shared.wakeups,
        now_ms=now_ms,
    )
    return Submitter(
        runs=shared.runs,
        wakeups=shared.wakeups,
        gate=SendGate(
            disk=runtime.disk,
            runs=shared.runs,
            team=shared.team,
            outage=shared.outage,
            wakeups=shared.wakeups,
            now_ms=now_ms,
            redis_is_ours=runtime.settings.embedded,
        ),
        leaser=shared.leaser,
        attempts=AttemptRecorder(shared.leaser, shared.limiter, shared.estimates, now_ms),
        slots=shared.slots,
        buckets=shared.buckets,
        dispatcher=Dispatcher(shared.in_flight, sender, outcomes, runtime.settings.concurrency),
        health=health,
        refused_models=refused_models,
    )


def _collector(runtime: Runtime, shared: Shared) -> Collector:
    health = FetchHealth(
        runs=shared.runs,
        outage=shared.outage,
        breaker=shared.breaker,
        group_commit=runtime.group_commit,
        wakeups=shared.wakeups,
        now_ms=runtime.now_ms,
    )
    outcomes = FetchOutcomes(
        keeper=AnswerKeeper(
            spool=shared.spool,
            mover=shared.mover,
            runs=shared.runs,
            limiter=shared.limiter,
            buckets=shared.buckets,
            estimates=shared.estimates,
            schedule=shared.schedule,
        ),
        failures=FetchFailures(
            api=runtime.api,
            runs=shared.runs,
            health=health,
            outage=shared.outage,
            spool=shared.spool,
            mover=shared.mover,
            schedule=shared.schedule,
            clock=runtime.clock,
            random=runtime.random,
        ),
        health=health,
        clock=runtime.clock,
        secrets=runtime.api.secrets,
    )
    fetcher = Fetcher(
        api=runtime.api,
        http_slots=runtime.http_slots,
        limiter=shared.limiter,
        slots=shared.slots,
        buckets=shared.buckets,
        disk=runtime.disk,
        outage=shared.outage,
        wakeups=shared.wakeups,
        clock=runtime.clock,
    )
    return Collector(
        runs=shared.runs,
        wakeups=shared.wakeups,
        leaser=shared.leaser,
        schedule=shared.schedule,
        fetches=FetchStarter(shared.in_flight, fetcher, outcomes, shared.schedule),
        outage=shared.outage,
        health=health,
        disk=runtime.disk,
        clock=runtime.clock,
        random=runtime.random,
    )


@dataclass(frozen=True, slots=True)
class MissingAnswers:
    """Counts for the circuit breaker what came of the requests of the same time."""

    group_commit: GroupCommit

    async def most(self, failed: Sequence[Lease]) -> bool:
        """Return whether most answers to requests of the same time as some failed fetches are missing."""
        answered, missing = await self.group_commit.execute(
            lambda connection, _: missing_answers.answered_and_missing(connection, failed)
        )
        return breaker_rules.are_most_missing(answered, missing)
