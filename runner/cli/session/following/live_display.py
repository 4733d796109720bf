"""Draw the live panel on a terminal, at most twice a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from runner.cli.render.runs.panel import panel
from runner.cli.session.following.recent_growth import RecentGrowth
from runner.db.runs.run_snapshot import Part
from runner.rules.redact import plain
from runner.rules.states import AT_WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.cli.snapshot import Snapshot

_REDRAW_S: Final = 0.5


class LiveDisplay:
    """Shows a run on stderr; used as a context manager. `now_s` is a steady clock."""

    def __init__(self, interval_s: float | None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._redraw_s = max(interval_s or 0.0, _REDRAW_S)
        self._refusals = RecentGrowth()
        self._next_s = 0.0
        self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._live.stop()

    def parts(self) -> Part:
        """Return what the rate is made of; the oldest answer comes every few seconds."""
        return Part.RECENT

    def update(self, snapshot: Snapshot) -> None:
        """Redraw when it is time to, and always for the last numbers."""
        now_s = self._now_s()
        refusals = self._refusals.add(now_s, snapshot.refused_for_now)
        if now_s >= self._next_s or snapshot.run.state not in AT_WORK:
            self._next_s = now_s + self._redraw_s
            self._live.update(panel(snapshot, snapshot.throughput, refusals), refresh=True)

    def print_line(self, line: str) -> None:
        """Print a line above the panel."""
        self._live.console.print(Text(plain(line)))
