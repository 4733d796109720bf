"""Runs and files that are removed, as text and as JSON objects: what `rm` and `prune` print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.cli.render import text
from runner.rules.redact import one_line, plain

if TYPE_CHECKING:
    from runner.db.removal import RunContents
    from runner.db.runs import RunRow

_NAME_LENGTH: Final = 40


def run_text(run: RunRow, holds: RunContents) -> str:
    """Return a run with the number of its jobs and answers."""
    what = f"{text.count(holds.jobs, 'job')} and {text.count(holds.answers, 'answer')}"
    return f"run {run.id}, {one_line(run.name, _NAME_LENGTH)}: {what}"


def ended_run_line(run: RunRow, holds: RunContents) -> str:
    """Return an indented line: a run, what it holds and when it ended."""
    return f"  {run_text(run, holds)}, ended {text.timestamp(run.finished_at_ms)}"


def file_line(path: str, size_bytes: int) -> str:
    """Return an indented line: a file and its size."""
    return f"  {plain(path)}, {text.size(size_bytes)}"


def removed_text(runs: int, files: int, freed_bytes: int) -> str:
    """Return how much was removed, and the space that was given back."""
    removed = f"removed {text.count(runs, 'run')} and {text.count(files, 'file')}"
    return f"{removed}; {text.size(freed_bytes)} given back" if freed_bytes else removed


def removed_object(run: RunRow, holds: RunContents) -> dict[str, Any]:
    """Return the JSON object of a removed run."""
    return {"run": run.id, "name": run.name, "jobs": holds.jobs, "answers": holds.answers}
