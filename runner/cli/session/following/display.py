"""Show a run's progress on stderr: a live panel on a terminal, plain lines elsewhere, nothing with -q."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from runner.cli.printing import print_note
from runner.cli.render.runs.ending_text import idle_reason
from runner.cli.render.runs.progress import progress_line
from runner.db.runs.run_snapshot import Part

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot

_LINE_S: Final = 10.0
_LINE_SHARE: Final = 0.05
_GAP_S: Final = 1.0


class ProgressDisplay(Protocol):
    """Shows the progress of a run; used as a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *about: object) -> None: ...
    def parts(self) -> Part:
        """Return what the next snapshot must have beside its numbers."""

    def update(self, snapshot: Snapshot) -> None:
        """Take new numbers; draw them when it is time to."""

    def print_line(self, line: str) -> None:
        """Print a line beside the numbers."""


def choose_display(*, quiet: bool, interval_s: float | None = None) -> ProgressDisplay:
    """Return the display for this terminal; `interval_s`: seconds between lines or redraws."""
    if quiet:
        return SilentDisplay()
    if not is_live_terminal():
        return PlainDisplay(interval_s)
    from runner.cli.session.following.live_display import LiveDisplay

    return LiveDisplay(interval_s)


def is_live_terminal() -> bool:
    """Return whether both streams are terminals that take escapes, and no variable forbids them."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM", "dumb") in {"", "dumb"}:
        return False
    return sys.stderr.isatty() and sys.stdout.isatty()


class SilentDisplay:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        """Do nothing."""

    def parts(self) -> Part:
        """Return that the numbers are enough."""
        return Part.NUMBERS

    def update(self, snapshot: Snapshot) -> None:
        """Show nothing."""

    def print_line(self, line: str) -> None:
        """Print nothing."""


class PlainDisplay(SilentDisplay):
    """Prints a line every 5 % and at least every 10 s; with an interval, only once in it."""

    def __init__(self, interval_s: float | None = None) -> None:
        self._interval_s = interval_s or _LINE_S
        self._share_step = _LINE_SHARE if interval_s is None else 1.0
        self._printed_s = self._next_share = 0.0
        self._reason: str | None = None
        self._last_line = ""

    def parts(self) -> Part:
        """Return what the rate is made of."""
        return Part.RECENT

    def update(self, snapshot: Snapshot) -> None:
        """Print a line when one is due, and whenever the reason to be idle changes."""
        now_s = time.monotonic()
        share, reason = snapshot.done / max(snapshot.run.total, 1), idle_reason(snapshot)
        is_step = self._next_share <= share < 1  # the end of the run prints the last one
        wait_s = _GAP_S if is_step else self._interval_s
        if now_s - self._printed_s >= wait_s or reason != self._reason or snapshot.run.is_over:
            self._printed_s = now_s
            self._next_share = (share // self._share_step + 1) * self._share_step
            self._reason = reason
            self.print_line(progress_line(snapshot, snapshot.throughput))

    def print_line(self, line: str) -> None:
        """Print a line, but never the same one twice in a row."""
        if line != self._last_line:
            print_note(line)
        self._last_line = line
