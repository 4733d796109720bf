"""Runs as they are listed: those that measure one night are one line, under its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.cli.render import text
from runner.rules.evaluation.plain_words import verdict_words
from runner.rules.redact import one_line
from runner.rules.shell_words import shell_word
from runner.rules.states import JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.cli.snapshot import Snapshot
    from runner.db.evaluation.night_runs import NightRun

_ANSWERING: Final = (RunState.READY, RunState.RUNNING)
_NAME_LENGTH: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedLine:
    """A run of a list, or a night: then `run` is its newest run, and numbers are sums over its runs."""

    run: int
    name: str
    occasion: str | None
    state: str
    done: int
    total: int
    failed: int
    spent_ticks: int
    started_at_ms: int | None
    as_of_ms: int


def listed_lines(snapshots: Sequence[Snapshot], nights: Mapping[int, NightRun]) -> list[ListedLine]:
    """Return a line for each run that measures no night, and for each night; runs come newest first."""
    groups: dict[str | int, list[Snapshot]] = {}
    for snapshot in snapshots:
        night = nights.get(snapshot.run.id)
        groups.setdefault(snapshot.run.id if night is None else night.night, []).append(snapshot)
    return [_line(runs, nights.get(runs[0].run.id)) for runs in groups.values()]


def night_status(runs: Sequence[Snapshot], night: NightRun) -> str:
    """Return a sentence about a night, from all its runs, the newest first."""
    line = _line(runs, night)
    numbers = f"{line.done:,} of {text.count(line.total, 'job')} done, {text.dollars(line.spent_ticks)}"
    return f"night {one_line(line.name, _NAME_LENGTH)}: {line.state}; {numbers}"


def night_command(occasion: str) -> str:
    """Return the command that carries a night on; the name of the suite's file is not known."""
    return f"runner eval SUITE.toml --occasion {shell_word(occasion)}"


def ungraded_line(occasion: str) -> str:
    """Return what gives a night its verdict whose answers are there."""
    return f"the night is not graded yet; to grade it: {night_command(occasion)}"


def _line(runs: Sequence[Snapshot], night: NightRun | None) -> ListedLine:
    newest, oldest = runs[0], runs[-1]
    return ListedLine(
        run=newest.run.id,
        name=newest.run.name if night is None else night.night,
        occasion=newest.run.occasion if night is None else night.night.rpartition("@")[2],
        state=_run_state(newest) if night is None else _night_state(newest, night),
        done=sum(each.done for each in runs),
        total=sum(each.run.total for each in runs),
        failed=sum(each.jobs(JobState.FAILED) for each in runs),
        spent_ticks=sum(each.spent_ticks for each in runs),
        started_at_ms=oldest.run.started_at_ms,
        as_of_ms=newest.as_of_ms,
    )


def _run_state(snapshot: Snapshot) -> str:
    return _with_worker(snapshot, text.state_words(snapshot.run.state, snapshot.run.pause_reason))


def _night_state(newest: Snapshot, night: NightRun) -> str:
    """Return the verdict of a night or what it does; where its run has stopped, the state of that."""
    if night.verdict is not None:
        return verdict_words(night.verdict)
    state = newest.run.state
    if state is RunState.FINISHED:
        return "not graded"
    if state in _ANSWERING:
        return _with_worker(newest, "answering" if night.number == 1 else "measuring again")
    return _run_state(newest)


def _with_worker(snapshot: Snapshot, state: str) -> str:
    return state if snapshot.without_worker_since_ms is None else f"{state}, no worker"
