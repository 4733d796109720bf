"""The live panel of a terminal: redrawn at most four times a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.cli.last_words import standstill
from runner.cli.pace import Pace
from runner.cli.progress import how_fast, how_many, percent, quiet_counts
from runner.rules.redact import one_line
from runner.rules.states import RunState

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot

_REDRAW_S: Final = 0.25
_NAME_LENGTH: Final = 40
_AT_WORK: Final = (RunState.RUNNING, RunState.WAITING)


class Panel:
    """Shows a run on stderr; used as a context manager."""

    def __init__(self, interval_s: float | None) -> None:
        self._redraw_s = max(interval_s or 0.0, _REDRAW_S)
        self._pace = Pace()
        self._next_s = 0.0
        self._live = Live(console=Console(stderr=True, highlight=False), auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._live.stop()

    def update(self, seen: Snapshot) -> None:
        """Redraw when it is time to, and always for the last numbers."""
        now_s = time.monotonic()
        self._pace.add(now_s, seen.done)
        if now_s >= self._next_s or seen.run.state not in _AT_WORK:
            self._next_s = now_s + self._redraw_s
            self._live.update(_panel(seen, self._pace), refresh=True)

    def say(self, line: str) -> None:
        """Print a line above the panel."""
        self._live.console.print(Text(line))


def _panel(seen: Snapshot, pace: Pace) -> Table:
    head = Table.grid(padding=(0, 1), expand=True)
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(no_wrap=True, justify="right")
    name = one_line(f"{seen.run.name} (run {seen.run.id})", _NAME_LENGTH)
    bar = ProgressBar(total=max(seen.run.total, 1), completed=seen.done)
    head.add_row(Text(name), bar, Text(f"{percent(seen)} %"))
    speed = [*how_fast(seen, pace), f"{seen.n('tokens', 'total'):,} tokens", *quiet_counts(seen)]
    body = Table.grid(expand=True)
    body.add_row(head)
    body.add_row(Text("  ".join(how_many(seen))))
    body.add_row(Text("  ".join(speed)))
    reason = standstill(seen)
    if reason:
        body.add_row(Text(reason, style="bold"))
    return body
