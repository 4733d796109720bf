"""All runs, as a table and as JSON objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.cli.render import layout, text
from runner.rules.occasion import short_name
from runner.rules.redact import one_line
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.cli.snapshot import Snapshot

_NAME_LENGTH_MIN: Final = 14  # also where the other columns leave less
_NAME_LENGTH_MAX: Final = 40
_HEADINGS: Final = ("run", "name", "state", "done", "of", "failed", "cost", "started")


def run_table(snapshots: Sequence[Snapshot]) -> list[str]:
    """Return a heading and a line for each run; names are cut where a line would exceed 80 columns."""
    nameless = _table([_HEADINGS, *(_row(snapshot, "") for snapshot in snapshots)])
    spare = layout.WIDTH - max(map(len, nameless)) + len("name")
    length = min(max(spare, _NAME_LENGTH_MIN), _NAME_LENGTH_MAX)
    return _table([_HEADINGS, *(_row(snapshot, _name(snapshot, length)) for snapshot in snapshots)])


def run_object(snapshot: Snapshot) -> dict[str, object]:
    """Return the object of `list --json` for a run."""
    run = snapshot.run
    return {
        "run": run.id,
        "name": run.name,
        "state": run.state,
        "paused_by": run.pause_reason,
        "stem": run.stem,
        "occasion": run.occasion,
        "total": run.total,
        "done": snapshot.done,
        "failed": snapshot.jobs(JobState.FAILED),
        "held": snapshot.jobs(JobState.HELD),
        "spent_ticks": snapshot.spent_ticks,
        "created_at": text.iso(run.created_at_ms),
        "started_at": text.iso(run.started_at_ms),
        "finished_at": text.iso(run.finished_at_ms),
        "input": run.input_path,
        "output": run.output_path,
    }


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return layout.table(rows, right=frozenset({0, 3, 4, 5, 6}))


def _name(snapshot: Snapshot, length: int) -> str:
    run = snapshot.run
    return short_name(one_line(run.name, len(run.name)), run.occasion, length)


def _row(snapshot: Snapshot, name: str) -> tuple[str, ...]:
    run = snapshot.run
    return (
        str(run.id),
        name,
        text.state_words(run.state, run.pause_reason),
        f"{snapshot.done:,}",
        f"{run.total:,}",
        f"{snapshot.jobs(JobState.FAILED):,}",
        text.dollars(snapshot.spent_ticks),
        text.listed_time(run.started_at_ms, snapshot.as_of_ms),
    )
