"""A run's progress on stderr: a live panel on a terminal, plain lines everywhere else, nothing with -q."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from runner.cli import text
from runner.cli.last_words import standstill
from runner.cli.pace import Pace
from runner.rules.redact import plain
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot

_LINE_S: Final = 10.0
_LINE_SHARE: Final = 0.05
_GAP_S: Final = 1.0


class Show(Protocol):
    """What a run is shown by; used as a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *about: object) -> None: ...
    def update(self, seen: Snapshot) -> None:
        """Take new numbers; draw when it is time to."""

    def say(self, line: str) -> None:
        """Tell something beside the numbers."""


def choose(*, quiet: bool, interval_s: float | None = None) -> Show:
    """Choose the way to show; `interval_s` asks for a line, or a redraw, that often."""
    if quiet:
        return Silent()
    if not is_live():
        return Lines(interval_s)
    from runner.cli.panel import Panel

    return Panel(interval_s)


def is_live() -> bool:
    """Say whether escapes may be printed: both streams are terminals and nobody asked for plain text."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM", "dumb") in {"", "dumb"}:
        return False
    return sys.stderr.isatty() and sys.stdout.isatty()


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        """Do nothing."""

    def update(self, seen: Snapshot) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""


class Lines(Silent):
    """A plain line for every 5 % and at least every 10 s; with an interval, only when that is over."""

    def __init__(self, interval_s: float | None = None) -> None:
        self._interval_s = interval_s or _LINE_S
        self._share = _LINE_SHARE if interval_s is None else 1.0
        self._pace = Pace()
        self._told_s = self._next_share = 0.0
        self._reason: str | None = None
        self._last = ""

    def update(self, seen: Snapshot) -> None:
        """Print a line when one is due, and whenever the run begins or ends to wait."""
        now_s = time.monotonic()
        self._pace.add(now_s, seen.done)
        share, reason = seen.done / max(seen.run.total, 1), standstill(seen)
        wait_s = _GAP_S if share >= self._next_share else self._interval_s
        if now_s - self._told_s >= wait_s or reason != self._reason or seen.run.is_over:
            self._told_s = now_s
            self._next_share = (share // self._share + 1) * self._share
            self._reason = reason
            self.say(progress_line(seen, self._pace))

    def say(self, line: str) -> None:
        """Print a line, but never the same one twice in a row."""
        if line != self._last:
            text.note(line)
        self._last = line


def progress_line(seen: Snapshot, pace: Pace) -> str:
    """Say in one line how far a run is."""
    first, *counts = how_many(seen)
    parts = [f"{first} ({percent(seen)} %)", *counts, *how_fast(seen, pace), *quiet_counts(seen)]
    said = f"{plain(seen.run.name)}: {', '.join(parts)}"
    reason = standstill(seen)
    return f"{said}; {reason}" if reason else said


def percent(seen: Snapshot) -> int:
    """Say how much of a run is done, rounded down."""
    return 100 * seen.done // max(seen.run.total, 1)


def how_many(seen: Snapshot) -> list[str]:
    """Say where the jobs are; the ends that are not the good one only where there are any."""
    bad = (JobState.FAILED, JobState.HELD, JobState.CANCELLED)
    return [
        f"{seen.done:,} of {seen.run.total:,} done",
        *(f"{seen.jobs(state):,} {state}" for state in bad if seen.jobs(state)),
        f"{seen.out:,} waiting",
        f"{seen.jobs(JobState.PENDING):,} pending",
    ]


def how_fast(seen: Snapshot, pace: Pace) -> list[str]:
    """Say rate, money, time taken and time to go."""
    rate, left = pace.rate(), seen.run.total - seen.done
    elapsed_s = (seen.as_of_ms - (seen.run.started_at_ms or seen.as_of_ms)) / 1000
    return [
        *([f"{rate:.1f}/s"] if rate is not None else []),
        money(seen),
        f"{text.duration(elapsed_s)} so far",
        *([_to_go(pace.eta_s(left))] if left else []),
    ]


def money(seen: Snapshot) -> str:
    """Say what is spent; with a budget what counts against it, and what is reserved for answers still out."""
    budget = seen.run.options.budget_ticks
    if budget is None:
        return text.dollars(seen.spent_ticks)
    told = f"{text.dollars(seen.used_ticks)} of {text.dollars(budget)}"
    reserved = seen.n("ticks", "reserved")
    return f"{told} (and {text.dollars(reserved)} reserved)" if reserved else told


def _to_go(eta_s: int | None) -> str:
    return "time to go unknown" if eta_s is None else f"about {text.duration(eta_s)} to go"


def quiet_counts(seen: Snapshot) -> list[str]:
    """Name what is no trouble but worth a look: polls, later, again."""
    later, polls = seen.n("attempts", "refused_for_now"), seen.n("attempts", "polls")
    return [
        *([f"{polls:,} polls"] if polls else []),
        *([f"{later:,} told to come later"] if later else []),
        *([f"{seen.extras:,} extra"] if seen.extras else []),
    ]
