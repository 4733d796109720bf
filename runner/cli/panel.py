"""The live panel of a terminal: redrawn twice a second, which costs little and is fast enough to read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.cli import text
from runner.cli.last_words import standstill
from runner.cli.pace import Lately, Pace
from runner.cli.progress import how_many, limit_use, money, oldest, percent, projected, quiet_counts, to_go
from runner.rules.redact import one_line, plain
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.cli.snapshot import Snapshot

_REDRAW_S: Final = 0.5
_NAME_LENGTH: Final = 40
_AT_WORK: Final = (RunState.RUNNING, RunState.WAITING)


class Panel:
    """Shows a run on stderr; used as a context manager."""

    def __init__(self, interval_s: float | None) -> None:
        self._redraw_s = max(interval_s or 0.0, _REDRAW_S)
        self._pace, self._later = Pace(), Lately()
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
        later = self._later.add(now_s, seen.later)
        if now_s >= self._next_s or seen.run.state not in _AT_WORK:
            self._next_s = now_s + self._redraw_s
            self._live.update(_panel(seen, self._pace, later), refresh=True)

    def say(self, line: str) -> None:
        """Print a line above the panel."""
        self._live.console.print(Text(plain(line)))


def _panel(seen: Snapshot, pace: Pace, later_lately: int) -> Table:
    head = Table.grid(padding=(0, 1), expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis", max_width=_NAME_LENGTH)
    head.add_column(ratio=1, min_width=8)
    head.add_column(no_wrap=True, justify="right")
    name = one_line(f"{seen.run.name} (run {seen.run.id})", _NAME_LENGTH)
    bar = ProgressBar(total=max(seen.run.total, 1), completed=seen.done)
    head.add_row(Text(name), bar, Text(f"{percent(seen)} %"))
    facts = Table.grid(padding=(0, 1))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column()
    for label, said in _facts(seen, pace, later_lately):
        facts.add_row(label, Text(said))
    body = Table.grid(expand=True)
    body.add_row(head)
    body.add_row(facts)
    reason = standstill(seen)
    if reason:
        body.add_row(Text(reason, style="bold"))
    return body


def _facts(seen: Snapshot, pace: Pace, later_lately: int) -> Iterator[tuple[str, str]]:
    """Give each line of the panel; those with nothing to say are left out."""
    yield "jobs", ", ".join(how_many(seen))
    limit = limit_use(seen)
    if limit:
        yield "limit", limit
    yield "spent", ", ".join([money(seen), *([said] if (said := projected(seen)) else [])])
    rate, left = pace.rate(), seen.run.total - seen.done
    yield (
        "time",
        ", ".join(
            [
                f"{text.duration(seen.elapsed_s)} so far",
                *([to_go(pace.eta_s(left))] if left else []),
                *([f"{rate:.1f} jobs/s"] if rate is not None else []),
            ]
        ),
    )
    waits = oldest(seen)
    if waits:
        yield "out", f"{text.of(seen.out, 'answer')}, {waits}"
    quiet = [*quiet_counts(seen), *([f"{later_lately:,} of them in the last minute"] if later_lately else [])]
    if quiet:
        yield "also", ", ".join(quiet)
