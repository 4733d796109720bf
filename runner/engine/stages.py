"""The stages of one worker: each is built with what it uses; they start and end in the order of this page."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from runner.engine.collecting.answered_at_once import AnswersAtOnce
from runner.engine.collecting.collect import Collector, FetchStarter
from runner.engine.collecting.fetch import Fetcher
from runner.engine.collecting.fetch_failures import FetchFailures
from runner.engine.collecting.fetch_health import FetchHealth
from runner.engine.collecting.fetch_outcomes import FetchOutcomes
from runner.engine.collecting.keep_answers import AnswerKeeper
from runner.engine.dispatch import Dispatcher
from runner.engine.process.heartbeat import Heartbeat
from runner.engine.process.supervisor import Supervisor
from runner.engine.reaper import Reaper
from runner.engine.runtime import open_runtime
from runner.engine.sending.attempt_recorder import AttemptRecorder
from runner.engine.sending.refused_models import RefusedModels
from runner.engine.sending.send_checks import SendChecks
from runner.engine.sending.sender import Sender
from runner.engine.sending.submit import Submitter
from runner.engine.sending.submit_failures import SubmitFailures
from runner.engine.sending.submit_health import SubmitHealth
from runner.engine.sending.submit_outcomes import SubmitOutcomes
from runner.engine.sending.turns import Turns
from runner.engine.shared import build_shared
from runner.engine.storing.commit_reports import CommitReports

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.engine.runtime import Runtime
    from runner.engine.shared import Shared
    from runner.settings import Settings

LOOP_ANSWERS_S: Final = 2.0


class Stages:
    """The submit loop, the collect loop, the reaper, and the tasks beside them.

    `drain` ends this worker in order: it is called when the worker is told to drain.
    """

    def __init__(self, runtime: Runtime, shared: Shared, drain: Callable[[], None]) -> None:
        self.runtime, self.shared = runtime, shared
        self.submitter = _submitter(runtime, shared)
        self.collector = _collector(runtime, shared)
        self.reaper = Reaper(
            database=runtime.database,
            spool_dir=runtime.settings.spool_dir,
            host=runtime.host,
            clock=runtime.clock,
            price_basis=runtime.price_basis,
        )
        self.heartbeat = Heartbeat(
            group_commit=runtime.group_commit,
            clock=runtime.clock,
            worker=runtime.worker,
            jobs_in_flight=shared.in_flight.job_ids,
            price_basis=runtime.price_basis,
            drain=drain,
        )
        self.commit_reports = CommitReports(
            redis=runtime.redis,
            node=runtime.node,
            refusal=lambda: runtime.group_commit.refusal,
            now_ms=runtime.now_ms,
        )
        self.supervisor = Supervisor()

    def start(self) -> None:
        """Start what runs as long as this worker; Celery tasks drive the loops and the reaper."""
        self.shared.team.resolve_early()
        self.supervisor.start("heartbeat", self.heartbeat.run)
        self.supervisor.start("run monitor", self.shared.monitor.run)
        self.supervisor.start("commit reports", self.commit_reports.run)

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
        await self.shared.shared_estimates.close()
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


async def open_stages(settings: Settings, node: str, drain: Callable[[], None]) -> Stages:
    """Open the runtime of a worker on the running loop, build its stages, and start them."""
    runtime = await open_runtime(settings, node)
    stages = Stages(runtime, build_shared(runtime), drain)
    stages.start()
    return stages


def _submitter(runtime: Runtime, shared: Shared) -> Submitter:
    now_ms = runtime.now_ms
    health = SubmitHealth(runtime.api, shared.runs, shared.breaker, shared.outage, shared.limiter, now_ms)
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
        checks=SendChecks(
            disk=runtime.disk,
            runs=shared.runs,
            team=shared.team,
            outage=shared.outage,
            wakeups=shared.wakeups,
            now_ms=now_ms,
            redis_is_ours=runtime.settings.embedded,
        ),
        leaser=shared.leaser,
        attempts=AttemptRecorder(
            shared.leaser,
            shared.limiter,
            shared.estimates,
            now_ms=now_ms,
            start_within_ms=runtime.settings.start_within_ms,
        ),
        slots=shared.slots,
        turns=Turns(runtime.random),
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
        start_within_ms=runtime.settings.start_within_ms,
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
