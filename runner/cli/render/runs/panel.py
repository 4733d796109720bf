"""The live panel of a terminal, drawn from one snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from runner.cli.render import text
from runner.cli.render.runs import progress
from runner.cli.render.runs.ending_text import idle_reason, no_worker_lines
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.cli.snapshot import Snapshot
    from runner.rules.throughput import Throughput

_NAME_LENGTH: Final = 40


def panel(snapshot: Snapshot, throughput: Throughput, recent_refusals: int) -> Table:
    """Return the panel. `recent_refusals`: requests refused for now within the last minute."""
    head = Table.grid(padding=(0, 1), expand=True)
    head.add_column(no_wrap=True, overflow="ellipsis", max_width=_NAME_LENGTH)
    head.add_column(ratio=1, min_width=8)
    head.add_column(no_wrap=True, justify="right")
    name = one_line(f"{snapshot.run.name} (run {snapshot.run.id})", _NAME_LENGTH)
    bar = ProgressBar(total=max(snapshot.run.total, 1), completed=snapshot.done)
    head.add_row(Text(name), bar, Text(f"{progress.percent_done(snapshot)} %"))
    facts = Table.grid(padding=(0, 1))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column()
    for label, value in _facts(snapshot, throughput, recent_refusals):
        facts.add_row(label, Text(value))
    body = Table.grid(expand=True)
    body.add_row(head)
    body.add_row(facts)
    reason = idle_reason(snapshot)
    for line in (*([reason] if reason else []), *no_worker_lines(snapshot)):
        body.add_row(Text(line, style="bold"))
    return body


def _facts(snapshot: Snapshot, throughput: Throughput, recent_refusals: int) -> Iterator[tuple[str, str]]:
    """Yield label and value of each line of the panel; empty ones are left out."""
    yield f"{snapshot.run.unit}s", ", ".join(progress.job_counts(snapshot))
    limit = progress.limit_usage_text(snapshot)
    if limit:
        yield "limit", limit
    lowered = progress.lowered_limit_text(snapshot)
    if lowered:
        yield "", lowered
    own = progress.own_limit_text(snapshot)
    if own:
        yield "own", own
    cost = progress.projected_cost(snapshot)
    yield "spent", ", ".join([progress.money_text(snapshot), *([cost] if cost else [])])
    yield "time", ", ".join(_times(snapshot, throughput))
    oldest = progress.oldest_answer(snapshot)
    if oldest:
        yield "out", f"{text.count(snapshot.outstanding, 'answer')}, {oldest}"
    also = progress.attempt_counts(snapshot)
    if recent_refusals:
        also.append(f"{recent_refusals:,} refused in the last minute")
    if also:
        yield "also", ", ".join(also)


def _times(snapshot: Snapshot, throughput: Throughput) -> Iterator[str]:
    yield f"{text.duration(snapshot.elapsed_s)} so far"
    if snapshot.run.total > snapshot.done:
        yield progress.time_to_go(throughput.eta_s)
    if throughput.jobs_per_s is not None:
        yield f"{throughput.jobs_per_s:.1f} {snapshot.run.unit}s/s"
