"""The JSON object of a run in its present state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.cli.render import text
from runner.cli.render.ending_text import worker_command
from runner.rules.states import JobState

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.limiter.usage import BucketUsage


def live_object(snapshot: Snapshot, eta_s: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return the summary without its files, and the present state of the run.

    `snapshot` needs the parts of Part.OBJECT. `eta_s`: seconds to go, lowest and highest.
    """
    summary = snapshot.stored.summary({})
    is_shared = snapshot.is_engine_alive is None
    return {
        **{key: value for key, value in summary.items() if key != "files"},
        "as_of": text.iso(snapshot.as_of_ms),
        "reason": snapshot.run.pause_text,
        "states": {str(state): snapshot.jobs(state) for state in JobState},
        "done": snapshot.done,
        "out": {"answers": snapshot.outstanding, "until": text.iso(snapshot.fetchable_until_ms)},
        "projected_ticks": snapshot.projected_ticks,
        "eta_s": None if eta_s is None else {"low": eta_s[0], "high": eta_s[1]},
        "workers": snapshot.stored.heartbeats.alive if is_shared else None,
        "limit": _limit(snapshot.limit_usage) if snapshot.limit_usage is not None else None,
        "no_worker": no_worker_object(snapshot),
    }


def no_worker_object(snapshot: Snapshot) -> dict[str, Any] | None:
    """Return since when a run that needs a worker has none, and the command that gives it one; else None."""
    since_ms = snapshot.without_worker_since_ms
    return None if since_ms is None else {"since": text.iso(since_ms), "command": worker_command(snapshot)}


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
