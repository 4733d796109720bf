"""What a command says when a run stands still or is left: why, what is still out, how to go on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from runner.cli import text
from runner.cli.snapshot import out_until_ms
from runner.rules.redact import one_line, plain
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.cli.snapshot import Snapshot
    from runner.db.runs import RunRow
    from runner.db.session import Database

STOPPING: Final = "stopping; finished work is saved; press again to stop now"
_WORDS_LENGTH: Final = 300
_REASON_LENGTH: Final = 240
_REMEDY: Final[Mapping[str, str]] = {
    PauseReason.KEY: "set XAI_API_KEY to a key that works",
    PauseReason.CREDITS: "add credits or raise the spending limit at console.x.ai",
    PauseReason.MODEL: "name a model that exists, in the file or with --model",
    PauseReason.BREAKER: "see whether the API is well (status.x.ai) and the network holds",
    PauseReason.FAILURES: "look at one of the failed jobs, and mend the file if it is at fault",
    PauseReason.BUDGET: "allow more, or none at all",
    PauseReason.LIMIT: "look at them",
}
_BOUND: Final[Mapping[str, str]] = {  # the same command would stop at the same bound
    PauseReason.BUDGET: " --budget USD",
    PauseReason.LIMIT: " --limit none",
}


def paused(seen: Snapshot, command: str) -> list[str]:
    """Say why a run is paused and what to do, as an error block; nothing for one that is not."""
    run = seen.run
    if run.state is not RunState.PAUSED:
        return []
    why = one_line(run.pause_text or "", _WORDS_LENGTH).rstrip(".") or str(run.pause_reason)
    remedy = _REMEDY.get(run.pause_reason or "", "")
    command = _resume(run) if run.pause_reason in _BOUND else command
    return [f"paused: {why}", f"fix: {remedy}, then: {command}" if remedy else f"to go on: {command}"]


def standstill(seen: Snapshot) -> str | None:
    """Say in one line why nothing is sent, where nothing is, and what to do."""
    run = seen.run
    why = one_line(run.pause_text or "", _REASON_LENGTH).rstrip(".")
    if run.state is RunState.WAITING:
        return f"waiting: {why}; goes on by itself" if why else "waiting; goes on by itself"
    if run.state is RunState.PAUSED:
        remedy = _REMEDY.get(run.pause_reason or "", "")
        out = f"collecting {text.of(seen.moving, 'answer')} still out; " if seen.moving else ""
        then = f"{remedy}, then " if remedy else ""
        return f"paused ({run.pause_reason}): {why}; {out}{then}{_resume(run)}"
    if run.state is RunState.CANCELLED and not run.is_over:
        return f"cancelled; collecting {text.of(seen.moving, 'answer')} still out"
    return None


def _resume(run: RunRow) -> str:
    return f"runner resume {run.id}{_BOUND.get(run.pause_reason or '', '')}"


def out(database: Database, seen: Snapshot) -> list[str]:
    """Say how many answers are still out, and until when they can be fetched; nothing where none is."""
    until_ms = out_until_ms(database, seen.run.id)
    if until_ms is None:
        return []
    waits = "answer waits" if seen.out == 1 else "answers wait"
    return [f"{seen.out:,} {waits} at xAI until {text.moment(until_ms)}"]


def how_far(seen: Snapshot) -> str:
    """Say how much of a run is done."""
    return f"{seen.done:,} of {text.of(seen.run.total, 'job')} done"


def same_command(arguments: Sequence[str]) -> str:
    """Write the command that was typed, without what would begin all anew."""
    kept = [argument for argument in arguments if argument != "--new"]
    return plain(shlex.join(["runner", *kept]))
