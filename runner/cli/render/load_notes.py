"""What is printed while and after a job file is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.render import text
from runner.rules.redact import plain

if TYPE_CHECKING:
    from runner.intake.load import LoadResult


def loading_line(lines: int, size_bytes: int) -> str:
    """Return how much of the file has been read."""
    return f"loading: {lines:,} lines, {size_bytes / 1e6:,.0f} MB so far"


def carried_on_line(name: str) -> str:
    """Return that the run of another day is carried on, since it has not ended."""
    return f"{plain(name)} has not ended yet: carrying it on"


def other_model_line(lines: int, model: str | None) -> str:
    """Return that so many lines name another model than --model; "" without such lines, or that flag."""
    if not lines or model is None:
        return ""
    named, word = (
        f"{text.count(lines, 'line')} {'names' if lines == 1 else 'name'} another model",
        plain(model),
    )
    return f"note: {named}; --model {word} is for lines without one, --model-for-all {word} for all"


def loaded_lines(loaded: LoadResult, *, is_other_path: bool, model: str | None) -> list[str]:
    """Return what was loaded, skipped and warned of; `is_other_path`: the run has another input path.

    `model`: the one that --model gives to lines without one, None without that flag.
    """
    lines = []
    if loaded.is_new:
        lines.append(f"loaded {text.count(loaded.total, 'job')} as run {loaded.run_id}")
    else:
        origin = f", from {plain(loaded.input_path)}" if is_other_path else ""
        lines.append(f"already loaded as run {loaded.run_id}{origin}")
    if loaded.same_content_run is not None:
        other = loaded.same_content_run
        same = (
            "the same table with another recipe" if loaded.is_table else "the same content with other flags"
        )
        what = f"run {other.id} ({plain(other.name)}) has {same}"
        fix = f"runner start {other.id} continues that run"
        lines.append(f"warning: {what}, and this run is paid for separately; {fix}")
    if loaded.bad_total:
        lines.append(_skipped_line(loaded.bad_total, is_table=loaded.is_table))
    if note := other_model_line(loaded.other_model_total, model):
        lines.append(note)
    return [*lines, *text.warning_lines(loaded.warnings, loaded.warnings_total)]


def _skipped_line(bad: int, *, is_table: bool) -> str:
    if is_table:
        return f"skipped {text.count(bad, 'bad row')}; the output says why: _status is skipped"
    return f"skipped {text.count(bad, 'bad line')}; they are in the .bad.jsonl file beside the input"
