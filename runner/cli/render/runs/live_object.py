"""The JSON object of a run in its present state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec.structs import asdict

from runner.cli.render import text
from runner.cli.render.runs.ending_text import worker_command
from runner.cli.render.runs.options_object import OptionsInForce, options_object
from runner.rules.json_object import MONEY, JsonObject, Moment, about
from runner.rules.states import JobState
from runner.rules.summary_object import Jobs, RunNumbers

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.db.runs.run_row import RunRow
    from runner.limiter.limits import BucketView
    from runner.limiter.usage import BucketUsage
    from runner.rules.sending.team_limits import TeamLimits


class JobsByState(JsonObject, frozen=True, kw_only=True):
    """Jobs by state."""

    pending: Jobs
    submitting: Jobs
    waiting: Jobs
    collecting: Jobs
    stored: Jobs
    succeeded: Jobs
    failed: Jobs
    held: Jobs
    cancelled: Jobs


class OutstandingAnswers(JsonObject, frozen=True, kw_only=True):
    """Answers that wait at xAI."""

    answers: Annotated[int, about("so many")]
    until: Annotated[Moment | None, about("when the oldest can no longer be fetched")]


class TimeToGo(JsonObject, frozen=True, kw_only=True):
    """Seconds, from and to."""

    low: Annotated[int, about("seconds")]
    high: Annotated[int, about("seconds")]


class LimitUse(JsonObject, frozen=True, kw_only=True):
    """What the busiest bucket used within the last minute, and what it may use."""

    model: Annotated[str, about("the limit's model")]
    requests: Annotated[int, about("sent")]
    requests_max: Annotated[int | None, about("allowed; null is no limit")]
    tokens: Annotated[int, about("used")]
    tokens_max: Annotated[int | None, about("allowed; null is no limit")]
    paused_s: Annotated[float, about("for how long the API asked to wait")]
    share: Annotated[float, about("part of the limits that may be used; less than 1 after 429s")]


class OwnLimitUse(JsonObject, frozen=True, kw_only=True):
    """What a run used of its own limits (--rpm, --tpm) within the last minute, and what it may use."""

    requests: Annotated[int, about("sent")]
    requests_max: Annotated[int | None, about("allowed; null is no limit of its own")]
    tokens: Annotated[int, about("used")]
    tokens_max: Annotated[int | None, about("allowed; null is no limit of its own")]


class TeamMinuteLimits(JsonObject, frozen=True, kw_only=True):
    """What was set for the team, for each model and all runs together (team_rpm, team_tpm)."""

    requests_max: Annotated[int | None, about("requests a minute; 0 is no limit, null is not set")]
    tokens_max: Annotated[int | None, about("tokens a minute; 0 is no limit, null is not set")]


class MissingWorker(JsonObject, frozen=True, kw_only=True):
    """A run needs a worker and has none."""

    since: Annotated[Moment, about("when one was last seen, or the run was started")]
    command: Annotated[str, about("what gives it one")]


class RefusedCommits(JsonObject, frozen=True, kw_only=True):
    """The database refuses what workers write or read."""

    since: Annotated[Moment, about("when a worker met it first")]
    workers: Annotated[int, about("workers that report it")]
    reason: Annotated[str, about("what is wrong with the database")]
    fix: Annotated[str, about("how to mend it")]


WorkersRefused = Annotated[
    RefusedCommits | None, about("where the database refuses what workers write or read; else null")
]
NoWorker = Annotated[MissingWorker | None, about("where the run needs a worker and has none; else null")]


class LiveRun(RunNumbers, frozen=True, kw_only=True):
    """How a run stands right now."""

    as_of: Annotated[Moment, about("when these numbers were true")]
    reason: Annotated[str | None, about("why it is paused or waits, in words")]
    states: Annotated[JobsByState, about("jobs by state (docs/states.md)")]
    done: Annotated[int, about("jobs that have their end, or are held")]
    out: Annotated[OutstandingAnswers, about("answers that wait at xAI")]
    projected_ticks: Annotated[
        int | None, about(f"what the whole run may cost, {MONEY}; null while that means nothing")
    ]
    eta_s: Annotated[TimeToGo | None, about("time to go, by `status` and `watch`; null while unknown")]
    workers: Annotated[int | None, about("alive on shared servers; null where every run brings its own")]
    limit: Annotated[
        LimitUse | None, about("the busiest limit within the last minute; null where nobody knows")
    ]
    own_limit: Annotated[
        OwnLimitUse | None, about("the run's own limits; null where it has none, or nobody knows their use")
    ]
    team_limit: Annotated[TeamMinuteLimits | None, about("the limits of the team; null without an API key")]
    no_worker: NoWorker
    refused_commits: WorkersRefused
    options: Annotated[OptionsInForce, about("what flags and `set` said; it stays with the run")]


def live_object(snapshot: Snapshot) -> LiveRun:
    """Return the summary without its files, and the present state of the run.

    `snapshot` needs the parts of Part.OBJECT; with Part.RECENT the object has the time to go.
    """
    numbers = asdict(snapshot.stored.summary())
    del numbers["files"]
    limits, is_shared = snapshot.limits, snapshot.is_engine_alive is None
    eta_s = snapshot.throughput.eta_s
    return LiveRun(
        **numbers,
        as_of=text.iso(snapshot.as_of_ms),
        reason=snapshot.run.pause_text,
        states=JobsByState(**{str(state): snapshot.jobs(state) for state in JobState}),
        done=snapshot.done,
        out=OutstandingAnswers(
            answers=snapshot.outstanding, until=text.iso_or_none(snapshot.fetchable_until_ms)
        ),
        projected_ticks=snapshot.projected_ticks,
        eta_s=None if eta_s is None else TimeToGo(low=eta_s[0], high=eta_s[1]),
        workers=snapshot.stored.heartbeats.alive if is_shared else None,
        limit=None if limits is None or limits.busiest is None else _limit(limits.busiest),
        own_limit=None if limits is None or limits.own is None else _own_limit(limits.own, snapshot.run),
        team_limit=None if snapshot.team_limits is None else _team_limit(snapshot.team_limits),
        no_worker=no_worker_object(snapshot),
        refused_commits=refused_commits_object(snapshot),
        options=options_object(snapshot.run.options),
    )


def no_worker_object(snapshot: Snapshot) -> MissingWorker | None:
    """Return since when a run that needs a worker has none, and the command that gives it one; else None."""
    since_ms = snapshot.without_worker_since_ms
    if since_ms is None:
        return None
    return MissingWorker(since=text.iso(since_ms), command=worker_command(snapshot))


def refused_commits_object(snapshot: Snapshot) -> RefusedCommits | None:
    """Return why the database refuses what workers write or read; None where it does not."""
    refusal = snapshot.refused_commits
    if refusal is None:
        return None
    return RefusedCommits(
        since=text.iso(refusal.since_ms), workers=refusal.workers, reason=refusal.what, fix=refusal.fix
    )


def _own_limit(view: BucketView, run: RunRow) -> OwnLimitUse:
    """Return the use of the limits that a run has for itself; the limits are those that the run has now."""
    return OwnLimitUse(
        requests=view.requests,
        requests_max=run.options.rpm or None,
        tokens=view.tokens,
        tokens_max=run.options.tpm or None,
    )


def _team_limit(limits: TeamLimits) -> TeamMinuteLimits:
    return TeamMinuteLimits(requests_max=limits.rpm, tokens_max=limits.tpm)


def _limit(usage: BucketUsage) -> LimitUse:
    """Return the use of one bucket."""
    view = usage.view
    return LimitUse(
        model=usage.model,
        requests=view.requests,
        requests_max=view.rpm,
        tokens=view.tokens,
        tokens_max=view.tpm,
        paused_s=round(view.paused_s, 1),
        share=view.share,
    )
