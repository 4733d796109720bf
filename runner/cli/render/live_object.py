"""The JSON object of a run in its present state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.cli.render import text
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.snapshot import Snapshot
    from runner.limiter.usage import BucketUsage


def live_object(
    summary: Mapping[str, Any],
    snapshot: Snapshot,
    *,
    until_ms: int | None,
    workers: int | None,
    eta_s: tuple[int, int] | None,
) -> dict[str, Any]:
    """Return the summary without its files, and the present state of the run.

    `until_ms`: until when the oldest outstanding answer can be fetched. `workers`: live workers of
    shared servers; None without them. `eta_s`: seconds to go, lowest and highest.
    """
    return {
        **{key: value for key, value in summary.items() if key != "files"},
        "as_of": text.iso(snapshot.as_of_ms),
        "reason": snapshot.run.pause_text,
        "states": {str(state): snapshot.jobs(state) for state in JobState},
        "done": snapshot.done,
        "out": {"answers": snapshot.outstanding, "until": text.iso(until_ms)},
        "projected_ticks": snapshot.projected_ticks,
        "eta_s": None if eta_s is None else {"low": eta_s[0], "high": eta_s[1]},
        "workers": workers,
        "limit": _limit(snapshot.limit_usage) if snapshot.limit_usage is not None else None,
    }


def _limit(usage: BucketUsage) -> dict[str, Any]:
    """Return what the busiest bucket used within the last minute and what it may use; null is no limit."""
    view = usage.view
    return {
        "model": usage.model,
        "requests": view.requests,
        "requests_max": view.rpm,
        "tokens": view.tokens,
        "tokens_max": view.tpm,
        "paused_s": round(view.paused_s, 1),
    }
