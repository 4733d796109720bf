"""What the stages of one worker share: the runs at work, what is estimated per model, the ways to write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from runner.api import account
from runner.db.answers import missing_answers
from runner.db.stored_team_limits import HostSettings
from runner.engine.collecting.fetch_outage import FetchOutage
from runner.engine.collecting.poll_schedule import PollSchedule
from runner.engine.limits.follow_team_limits import TeamLimitsFollower
from runner.engine.limits.model_buckets import ModelBuckets
from runner.engine.limits.rebuild_limiter import RecentSends
from runner.engine.limits.team import Team
from runner.engine.process.in_flight import InFlight
from runner.engine.process.wakeups import Wakeups
from runner.engine.runs.active_runs import ActiveRuns
from runner.engine.runs.circuit_breaker import CircuitBreaker
from runner.engine.runs.run_monitor import RunMonitor
from runner.engine.sending.job_estimates import JobEstimates
from runner.engine.sending.leaser import Leaser
from runner.engine.sending.slot_reservations import SlotReservations
from runner.engine.storing.move_jobs import JobMover
from runner.engine.storing.spool_writer import SpoolWriter
from runner.limiter.estimates import SharedEstimates
from runner.limiter.hand_over_limits import LimitsHandOver
from runner.limiter.limiter import Limiter
from runner.limiter.outcome_window import OutcomeWindow
from runner.limiter.team_names import TeamNames
from runner.rules.sending import breaker as breaker_rules
from runner.rules.sending.team_limits import TeamLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.workers.leases import Lease
    from runner.engine.runtime import Runtime
    from runner.engine.storing.group_commit import GroupCommit


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
    shared_estimates: SharedEstimates
    estimates: JobEstimates
    schedule: PollSchedule
    slots: SlotReservations
    breaker: CircuitBreaker
    outage: FetchOutage
    spool: SpoolWriter
    leaser: Leaser
    in_flight: InFlight


def build_shared(runtime: Runtime) -> Shared:
    """Build what the stages share."""
    settings, redis, now_ms = runtime.settings, runtime.redis, runtime.now_ms
    wakeups = Wakeups()
    fingerprint = account.key_fingerprint(settings)
    team_limits = TeamLimitsFollower(
        runtime.database,
        LimitsHandOver(redis),
        HostSettings(
            fingerprint=fingerprint,
            host=runtime.host,
            limits=TeamLimits(rpm=settings.team_rpm, tpm=settings.team_tpm),
        ),
        now_ms,
    )
    runs = ActiveRuns(
        database=runtime.database,
        group_commit=runtime.group_commit,
        now_ms=now_ms,
        price_basis=runtime.price_basis,
        team_limits=team_limits,
    )
    monitor = RunMonitor(
        group_commit=runtime.group_commit,
        now_ms=now_ms,
        active=lambda: runs.cached,
        pause=runs.pause,
        has_answers_due=lambda: wakeups.next_due_ms is not None,
        clock_skew_s=lambda: runtime.api.clock_skew_s,
        price_basis=runtime.price_basis,
    )
    team = Team(runtime.api, TeamNames(redis), team_limits, fingerprint, runtime.random)
    buckets = ModelBuckets(team, now_ms)
    recent_sends = RecentSends(
        database=runtime.database, now_ms=now_ms, worker=runtime.worker, team=team, bucket=buckets.name
    )
    limiter = Limiter(redis, rebuild=recent_sends.read, team_limits=team_limits.read_now)
    shared_estimates = SharedEstimates(redis)
    estimates = JobEstimates(shared_estimates, runtime.price_basis, now_ms, settings.prompt_overhead_tokens)
    return Shared(
        wakeups=wakeups,
        runs=runs,
        monitor=monitor,
        mover=JobMover(runtime.group_commit, monitor, wakeups),
        team=team,
        buckets=buckets,
        limiter=limiter,
        shared_estimates=shared_estimates,
        estimates=estimates,
        schedule=PollSchedule(
            charge_polls=settings.charge_polls,
            team=team,
            buckets=buckets,
            limiter=limiter,
            estimates=shared_estimates,
            clock=runtime.clock,
            random=runtime.random,
        ),
        slots=SlotReservations(limiter, buckets, estimates),
        breaker=CircuitBreaker(
            OutcomeWindow(redis, breaker_rules.WINDOW),
            runs.pause,
            partial(_are_most_missing, runtime.group_commit),
        ),
        outage=FetchOutage(runtime.loop.time),
        spool=SpoolWriter(runtime.spool, runtime.disk),
        leaser=Leaser(runtime.group_commit, runtime.worker, now_ms, settings.lease_s),
        in_flight=InFlight(),
    )


async def _are_most_missing(group_commit: GroupCommit, failed: Sequence[Lease]) -> bool:
    """Return whether most answers to requests of the same time as some failed fetches are missing."""
    answered, missing = await group_commit.execute(
        lambda connection, _: missing_answers.answered_and_missing(connection, failed)
    )
    return breaker_rules.are_most_missing(answered, missing)
