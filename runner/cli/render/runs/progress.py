"""A run's progress as text: the plain line, and the facts that the live panel and `status` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.cli.render import text
from runner.cli.render.runs.ending_text import idle_reason
from runner.cli.render.runs.uncertain_cost_text import amounts_more
from runner.cli.snapshot import FETCHABLE_MS
from runner.rules.redact import one_line, plain
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.rules.sending.team_limits import TeamLimits
    from runner.rules.throughput import Throughput

_MODEL_LENGTH: Final = 24


def progress_line(snapshot: Snapshot, throughput: Throughput) -> str:
    """Return the progress of a run in one line."""
    first, *counts = job_counts(snapshot)
    parts = [
        f"{first} ({percent_done(snapshot)} %)",
        *counts,
        *rate_texts(throughput),
        money_text(snapshot),
        f"{text.duration(snapshot.elapsed_s)} so far",
        *([time_to_go(throughput.eta_s)] if snapshot.run.total > snapshot.done else []),
        *([cost] if (cost := projected_cost(snapshot)) else []),
        *attempt_counts(snapshot),
    ]
    line = f"{plain(snapshot.run.name)}: {', '.join(parts)}"
    reason = idle_reason(snapshot)
    return f"{line}; {reason}" if reason else line


def speed_line(snapshot: Snapshot) -> str | None:
    """Return how fast a run is, how long it takes and what it may cost in all; None if it is not at work."""
    if snapshot.run.state not in (RunState.RUNNING, RunState.WAITING):
        return None
    cost = projected_cost(snapshot)
    parts = (
        *rate_texts(snapshot.throughput),
        f"{text.duration(snapshot.elapsed_s)} so far",
        time_to_go(snapshot.throughput.eta_s),
        *([cost] if cost else []),
    )
    return ", ".join(parts)


def rate_texts(throughput: Throughput) -> list[str]:
    """Return how many jobs end in a second; [] while that is not known."""
    return [] if throughput.jobs_per_s is None else [f"{throughput.jobs_per_s:.1f}/s"]


def percent_done(snapshot: Snapshot) -> int:
    """Return how much of a run is done, rounded down."""
    return 100 * snapshot.done // max(snapshot.run.total, 1)


def job_counts(snapshot: Snapshot) -> list[str]:
    """Return the number of jobs by state; failed, held and cancelled only if there are any."""
    bad = (JobState.FAILED, JobState.HELD, JobState.CANCELLED)
    return [
        f"{snapshot.done:,} of {snapshot.run.total:,} done",
        *(f"{snapshot.jobs(state):,} {state}" for state in bad if snapshot.jobs(state)),
        f"{snapshot.outstanding:,} waiting",
        f"{snapshot.jobs(JobState.PENDING):,} pending",
    ]


def projected_cost(snapshot: Snapshot) -> str | None:
    """Return what the whole run may cost; None while that is not known, or when all is done."""
    ticks = snapshot.projected_ticks
    if ticks is None or not ticks or snapshot.done >= snapshot.run.total:
        return None
    return f"about {text.dollars(ticks)} in all"


def limit_lines(snapshot: Snapshot) -> list[str]:
    """Return the limits that bind a run, and their use within the last minute; those that are known."""
    team = None if snapshot.team_limits is None else team_limits_text(snapshot.team_limits)
    limits = (limit_usage_text(snapshot), lowered_limit_text(snapshot), team, own_limit_text(snapshot))
    return [limit for limit in limits if limit]


def limit_usage_text(snapshot: Snapshot) -> str | None:
    """Return how much of the model's limits all runs used within the last minute; None if it is not known."""
    if snapshot.limits is None or snapshot.limits.busiest is None:
        return None
    model, view = snapshot.limits.busiest.model, snapshot.limits.busiest.view
    used = _used(("requests", view.requests, view.rpm), ("tokens", view.tokens, view.tpm))
    waits = f"; the API asked to wait {text.duration(view.paused_s)}" if view.paused_s >= 1 else ""
    return f"{used} a minute ({one_line(model, _MODEL_LENGTH)}, all runs){waits}"


def lowered_limit_text(snapshot: Snapshot) -> str | None:
    """Return how much of the model's limits is used at most after 429s; None where it is all."""
    if snapshot.limits is None or snapshot.limits.busiest is None:
        return None
    view = snapshot.limits.busiest.view
    if view.share >= 1 or not (view.rpm or view.tpm):
        return None
    return f"after 429s at most {view.share:.0%} of that limit is used; it grows back by itself"


def own_limit_text(snapshot: Snapshot) -> str | None:
    """Return how much of its own limits the run used within the last minute; None if it has none."""
    if snapshot.limits is None or snapshot.limits.own is None:
        return None
    view, options = snapshot.limits.own, snapshot.run.options
    own = (("requests", view.requests, options.rpm), ("tokens", view.tokens, options.tpm))
    return f"{_used(*(one for one in own if one[2]))} a minute by the run's own limit"


def team_limits_text(limits: TeamLimits) -> str | None:
    """Return what was set for the team in place of the models' limits; None where nothing was."""
    parts = [_team_limit(limits.rpm, "requests"), _team_limit(limits.tpm, "tokens")]
    found = ", ".join(part for part in parts if part)
    return f"{found} to each model, set for the team" if found else None


def _team_limit(limit: int | None, what: str) -> str:
    if limit is None:
        return ""
    return f"{limit:,} {what} a minute" if limit else f"no limit of {what}"


def _used(*limits: tuple[str, int, int | None]) -> str:
    """Return amounts used, each (what, used, allowed); without a limit the amount alone."""
    return ", ".join(
        f"{text.short_number(n)} of {text.short_number(most)} {what}"
        if most
        else f"{text.short_number(n)} {what}"
        for what, n, most in limits
    )


def oldest_answer(snapshot: Snapshot) -> str | None:
    """Return the age of the oldest outstanding answer and the time left to fetch it; None without one."""
    oldest_ms = snapshot.stored.oldest_out_ms
    if oldest_ms is None:
        return None
    age_s = max(0, snapshot.as_of_ms - oldest_ms) / 1000
    left_s = FETCHABLE_MS / 1000 - age_s
    return f"the oldest for {text.duration(age_s)}, {text.duration(left_s)} left to fetch it"


def money_text(snapshot: Snapshot) -> str:
    """Return what is spent and what may be; with a budget what counts against it, and what is reserved."""
    budget, possible = snapshot.run.options.budget_ticks, snapshot.used_ticks - snapshot.spent_ticks
    probable = snapshot.probable_extra_ticks
    if budget is None:
        return text.dollars(snapshot.spent_ticks) + (
            f" ({amounts_more(probable, possible)})" if possible or probable else ""
        )
    reserved = snapshot.total_of("ticks", "reserved")
    details = [
        *([f"{text.dollars(possible)} of it possible"] if possible else []),
        *([f"about {text.dollars(probable)} probable"] if probable else []),
        *([f"and {text.dollars(reserved)} reserved"] if reserved else []),
    ]
    used = f"{text.dollars(snapshot.used_ticks)} of {text.dollars(budget)}"
    return f"{used} ({', '.join(details)})" if details else used


def time_to_go(eta_s: tuple[int, int] | None) -> str:
    """Return how much longer the run takes, from and to."""
    if eta_s is None:
        return "time to go unknown"
    low, high = (text.duration(seconds) for seconds in eta_s)
    return f"about {high} to go" if low == high else f"{low} to {high} to go"


def attempt_counts(snapshot: Snapshot) -> list[str]:
    """Return the number of polls, refusals for now and extra attempts; each only if there are any."""
    polls = snapshot.total_of("attempts", "polls")
    return [
        *([text.count(polls, "poll")] if polls else []),
        *([f"{snapshot.refused_for_now:,} refused for now"] if snapshot.refused_for_now else []),
        *([f"{snapshot.extra_attempts:,} extra"] if snapshot.extra_attempts else []),
    ]
