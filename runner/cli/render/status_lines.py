"""What `status` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.cli.render import ending_text, layout, progress
from runner.cli.render.summary_table import facts, heading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.cli.snapshot import Snapshot


def status_lines(
    snapshot: Snapshot,
    summary: Mapping[str, Any],
    *,
    until_ms: int | None,
    suggestions: Sequence[str],
    lacks_workers: bool,
) -> list[str]:
    """Return the present state of a run as lines.

    `until_ms`: until when the oldest outstanding answer can be fetched. `suggestions`: what can be done
    about held jobs. `lacks_workers`: the run needs a worker and none is alive.
    """
    limit, reason = progress.limit_usage_text(snapshot), ending_text.idle_reason(snapshot)
    lines = [
        f"{', '.join(progress.job_counts(snapshot))} ({progress.percent_done(snapshot)} %)",
        *facts(summary),
        *([limit] if limit else []),
        *ending_text.outstanding_lines(snapshot, until_ms),
        *suggestions,
        *([reason] if reason else []),
        *([ending_text.NO_WORKERS] if lacks_workers else []),
    ]
    return [heading(summary), *layout.indented(lines)]
