"""What is printed while and after a job file is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.render import text
from runner.rules.redact import plain

if TYPE_CHECKING:
    from runner.db.runs.run_row import RunRow
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
        unit = "row" if loaded.is_table else "job"
        lines.append(f"loaded {text.count(loaded.total, unit)} as run {loaded.run_id}")
    else:
        origin = f", from {plain(loaded.input_path)}" if is_other_path else ""
        lines.append(f"already loaded as run {loaded.run_id}{origin}")
    if loaded.same_content_run is not None:
        lines.append(_same_content_line(loaded.same_content_run, is_table=loaded.is_table))
    if loaded.bad_total:
        lines.append(_skipped_line(loaded))
    if note := other_model_line(loaded.other_model_total, model):
        lines.append(note)
    return [*lines, *text.warning_lines(loaded.warnings, loaded.warnings_total)]


def _same_content_line(other: RunRow, *, is_table: bool) -> str:
    """Return which run has the same content, and what may have been meant instead.

    Another prompt over a table that has been labeled is the usual way to try one, so that is but a note.
    """
    same = "the same table with another prompt or labels" if is_table else "the same content with other flags"
    what = f"run {other.id} ({plain(other.name)}) has {same}, and this run is paid for separately"
    if other.is_over:
        return f"{'note' if is_table else 'warning'}: {what}; runner write {other.id} writes that run's files"
    return f"warning: {what}; runner start {other.id} continues that run"


def _skipped_line(loaded: LoadResult) -> str:
    if loaded.is_table:
        return f"skipped {text.count(loaded.bad_total, 'bad row')}; the output says why: _status is skipped"
    skipped = text.count(loaded.bad_total, "bad line")
    return f"skipped {skipped}; unchanged in {plain(str(loaded.bad_path))}"
