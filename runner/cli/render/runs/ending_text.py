"""What a command prints when a run stops or is left: why, which answers are outstanding, how to continue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.cli.render import text
from runner.rules.redact import one_line, plain
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.snapshot import Snapshot
    from runner.db.runs.run_snapshot import RunSnapshot

STOPPING: Final = "stopping; finished work is saved; press again to stop now"
_CAUSE_LENGTH: Final = 300
_REASON_LENGTH: Final = 240
_REMEDY: Final[Mapping[str, str]] = {
    PauseReason.KEY: "set XAI_API_KEY to a key that works",
    PauseReason.CREDITS: "add credits or raise the spending limit at console.x.ai",
    PauseReason.MODEL: "get access to the model, or name another: runner retry {run} --set-model NAME",
    PauseReason.BREAKER: "check whether the API (status.x.ai) and the network work",
    PauseReason.FAILURES: "look at one of the failed {unit}s, and fix the {file} if it is the cause",
    PauseReason.BUDGET: "set a larger budget, or none",
    PauseReason.LIMIT: "look at the results",
    PauseReason.SETTING: "write XAI_BASE_URL like https://api.x.ai/v1",
}
_RAISE_BOUND: Final[Mapping[str, str]] = {  # the same command would stop at the same bound
    PauseReason.BUDGET: " --budget USD",
    PauseReason.LIMIT: " --limit none",
}


def paused_lines(snapshot: Snapshot, command: str) -> list[str]:
    """Return why a run is paused and how to continue, as an error block; [] if it is not paused."""
    run = snapshot.run
    if run.state is not RunState.PAUSED:
        return []
    why = pause_cause(snapshot.stored, _CAUSE_LENGTH) or str(run.pause_reason)
    remedy = _remedy(snapshot.stored)
    command = resume_command(snapshot.stored) if run.pause_reason in _RAISE_BOUND else command
    return [f"paused: {why}", f"fix: {remedy}, then: {command}" if remedy else f"to continue: {command}"]


def idle_reason(snapshot: Snapshot) -> str | None:
    """Return in one line why nothing is sent and what to do; None while jobs are sent."""
    run, why = snapshot.run, pause_cause(snapshot.stored, _REASON_LENGTH)
    if run.state is RunState.WAITING:
        then = "; continues by itself" if snapshot.without_worker_since_ms is None else ""
        return f"waiting: {why}{then}" if why else f"waiting{then}"
    if run.state is RunState.PAUSED:
        remedy = _remedy(snapshot.stored)
        collecting = f"{_collecting(snapshot)}; " if snapshot.unsettled else ""
        then = f"{remedy}, then" if remedy else "to continue"
        command = resume_command(snapshot.stored)
        return f"paused ({run.pause_reason}): {why}; {collecting}{then}: {command}"
    if run.state is RunState.CANCELLED and not run.is_over:
        return f"cancelled; {_collecting(snapshot)}"
    return None


def outstanding_lines(snapshot: Snapshot) -> list[str]:
    """Return the number of outstanding answers and until when they can be fetched; [] if there is none."""
    until_ms = snapshot.fetchable_until_ms
    if until_ms is None:
        return []
    waits = "answer waits" if snapshot.outstanding == 1 else "answers wait"
    return [f"{snapshot.outstanding:,} {waits} at xAI until {text.moment(until_ms)}"]


def done_text(snapshot: Snapshot) -> str:
    """Return how much of a run is done."""
    return f"{snapshot.done:,} of {text.count(snapshot.run.total, snapshot.run.unit)} done"


def no_worker_lines(snapshot: Snapshot) -> list[str]:
    """Return that the run needs a worker and has none, since when, and the command; [] where it has one."""
    since_ms = snapshot.without_worker_since_ms
    if since_ms is None:
        return []
    since = text.recent_time(since_ms, snapshot.as_of_ms)
    is_shared = snapshot.is_engine_alive is None
    whose = "no worker is alive" if is_shared else "no worker has this run"
    then = "start one" if is_shared else "to continue"
    return [f"{whose} since {since}: nothing is sent or fetched", f"{then}: {worker_command(snapshot)}"]


def refused_commits_lines(snapshot: Snapshot) -> list[str]:
    """Return that workers cannot work, since when and why, and the cure; [] where they can."""
    refusal = snapshot.refused_commits
    if refusal is None:
        return []
    since = text.recent_time(refusal.since_ms, snapshot.as_of_ms)
    return [
        f"{text.count(refusal.workers, 'worker')} cannot work since {since}: {plain(refusal.what)}",
        f"fix: {plain(refusal.fix)}; then the work continues by itself",
    ]


def worker_command(snapshot: Snapshot) -> str:
    """Return the command that gives a run a worker."""
    run = snapshot.run
    if snapshot.is_engine_alive is None:
        return "runner worker"
    is_paused = run.state is RunState.PAUSED
    return resume_command(snapshot.stored) if is_paused else f"runner start {run.id}"


def availability_line(snapshot: Snapshot) -> str:
    """Return that no worker is there or can write, or what is there."""
    if snapshot.refused_commits is not None:
        return "; ".join(refused_commits_lines(snapshot))
    if snapshot.without_worker_since_ms is not None:
        return "; ".join(no_worker_lines(snapshot))
    if snapshot.is_engine_alive is not None:
        return "an engine is at work"
    return f"{text.count(snapshot.stored.heartbeats.alive, 'worker')} at work"


def _collecting(snapshot: Snapshot) -> str:
    if snapshot.without_worker_since_ms is not None:
        return f"{text.count(snapshot.unsettled, 'answer is', 'answers are')} not collected"
    return f"still collecting {text.count(snapshot.unsettled, 'answer')}"


def _remedy(stored: RunSnapshot) -> str:
    run = stored.run
    if stored.is_budget_raised:
        return ""
    file = "file" if run.recipe is None else "table or the prompt"
    return _REMEDY.get(run.pause_reason or "", "").format(run=run.id, unit=run.unit, file=file)


def pause_cause(stored: RunSnapshot, length: int) -> str:
    """Return why a run is paused or waits, in `length` characters; after it a budget that was set since."""
    why = one_line(stored.run.pause_text or "", length).rstrip(".")
    if not stored.has_new_budget:
        return why
    ticks = stored.run.options.budget_ticks
    return (
        f"{why}; it has no budget now" if ticks is None else f"{why}; its budget is {text.dollars(ticks)} now"
    )


def resume_command(stored: RunSnapshot) -> str:
    """Return the command that continues a paused run, with the bound to raise where it would stop at once."""
    bound = "" if stored.is_budget_raised else _RAISE_BOUND.get(stored.run.pause_reason or "", "")
    return f"runner resume {stored.run.id}{bound}"
