"""A run's progress on stderr: a live panel on a terminal, plain lines everywhere else, nothing with -q."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from runner.cli import text
from runner.cli.last_words import standstill
from runner.cli.pace import Pace
from runner.cli.snapshot import KEPT_AT_XAI_MS
from runner.rules.redact import one_line, plain
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot

_LINE_S: Final = 10.0
_LINE_SHARE: Final = 0.05
_GAP_S: Final = 1.0
_MODEL_LENGTH: Final = 24


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
    cost = [said] if (said := projected(seen)) else []
    parts = [f"{first} ({percent(seen)} %)", *counts, *how_fast(seen, pace), *cost, *quiet_counts(seen)]
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
    return [
        *([f"{rate:.1f}/s"] if rate is not None else []),
        money(seen),
        f"{text.duration(seen.elapsed_s)} so far",
        *([to_go(pace.eta_s(left))] if left else []),
    ]


def projected(seen: Snapshot) -> str | None:
    """Say what the run may cost in all; None while that means nothing, or when all is done."""
    ticks = seen.projected_ticks
    if ticks is None or not ticks or seen.done >= seen.run.total:
        return None
    return f"about {text.dollars(ticks)} in all"


def limit_use(seen: Snapshot) -> str | None:
    """Say how much of the limits was used within the last minute; None where nobody knows."""
    if seen.use is None:
        return None
    view = seen.use.view
    used = [
        f"{text.short(n)} of {text.short(most)} {what}" if most else f"{text.short(n)} {what}"
        for n, most, what in ((view.requests, view.rpm, "requests"), (view.tokens, view.tpm, "tokens"))
    ]
    waits = f"; the API asked to wait {text.duration(view.paused_s)}" if view.paused_s >= 1 else ""
    return f"{', '.join(used)} a minute ({one_line(seen.use.model, _MODEL_LENGTH)}){waits}"


def oldest(seen: Snapshot) -> str | None:
    """Say since when the oldest answer is out, and how long it can still be fetched."""
    if seen.oldest_out_ms is None:
        return None
    age_s = max(0, seen.as_of_ms - seen.oldest_out_ms) / 1000
    left_s = KEPT_AT_XAI_MS / 1000 - age_s
    return f"the oldest for {text.duration(age_s)}, {text.duration(left_s)} left to fetch it"


def money(seen: Snapshot) -> str:
    """Say what is spent, and what more may be; with a budget what counts against it, and what is reserved."""
    budget, doubt = seen.run.options.budget_ticks, seen.used_ticks - seen.spent_ticks
    if budget is None:
        return text.dollars(seen.spent_ticks) + (
            f" (up to {text.dollars(doubt)} more in doubt)" if doubt else ""
        )
    reserved = seen.n("ticks", "reserved")
    beside = [
        *([f"{text.dollars(doubt)} of it in doubt"] if doubt else []),
        *([f"and {text.dollars(reserved)} reserved"] if reserved else []),
    ]
    told = f"{text.dollars(seen.used_ticks)} of {text.dollars(budget)}"
    return f"{told} ({', '.join(beside)})" if beside else told


def to_go(eta_s: tuple[int, int] | None) -> str:
    """Say how much longer it takes, from and to."""
    if eta_s is None:
        return "time to go unknown"
    low, high = (text.duration(seconds) for seconds in eta_s)
    return f"about {high} to go" if low == high else f"{low} to {high} to go"


def quiet_counts(seen: Snapshot) -> list[str]:
    """Name what is no trouble but worth a look: polls, later, again."""
    polls = seen.n("attempts", "polls")
    return [
        *([text.of(polls, "poll")] if polls else []),
        *([f"{seen.later:,} told to come later"] if seen.later else []),
        *([f"{seen.extras:,} extra"] if seen.extras else []),
    ]
