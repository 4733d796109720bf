"""What `status` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.render import layout, text
from runner.cli.render.jobs.failure_groups import failed_line
from runner.cli.render.runs import ending_text, progress
from runner.cli.render.runs.summary_table import facts, heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.cli.snapshot import Snapshot


def other_runs_line(n: int) -> str:
    """Return that `n` runs are at work beside the one that is shown, and what lists them; "" for none."""
    if not n:
        return ""
    return f"{text.count(n, 'other run is', 'other runs are')} at work: runner list"


def status_lines(snapshot: Snapshot, suggestions: Sequence[str]) -> list[str]:
    """Return the present state of a run as lines; `suggestions`: what can be done about held jobs."""
    summary = snapshot.stored.summary()
    speed = progress.speed_line(snapshot)
    reason, failed = ending_text.idle_reason(snapshot), failed_line(summary)
    lines = [
        f"{', '.join(progress.job_counts(snapshot))} ({progress.percent_done(snapshot)} %)",
        *([speed] if speed else []),
        *facts(summary),
        *([] if snapshot.run.is_over else progress.limit_lines(snapshot)),
        *ending_text.outstanding_lines(snapshot),
        *([failed] if failed else []),
        *suggestions,
        *(layout.wrapped(reason, layout.WIDTH - 2, rest="  ") if reason else []),
        *ending_text.no_worker_lines(snapshot),
        *ending_text.refused_commits_lines(snapshot),
    ]
    return [heading(summary), *layout.indented(lines)]
