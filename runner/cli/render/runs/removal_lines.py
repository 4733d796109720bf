"""Runs and files that are removed, as text and as JSON objects: what `rm` and `prune` print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render import text
from runner.cli.render.run_name import short_name
from runner.rules.evaluation.kept_answers import Kept
from runner.rules.json_object import JsonObject, Schema, about
from runner.rules.redact import one_line, plain
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.evaluation.night_runs import NightRun
    from runner.db.runs.removal import RunContents
    from runner.db.runs.run_row import RunRow

_NAME_LENGTH: Final = 40
_KEPT_BECAUSE: Final = {
    Kept.OPEN: "without a verdict",
    Kept.POOL: "in the pool of the next night",
    Kept.PINNED: "pinned",
}


class RemovedRun(JsonObject, frozen=True, kw_only=True):
    """A run that was or would be removed."""

    run: Annotated[int, about("its id")]
    name: Annotated[str, about("its name")]
    stem: Annotated[str, about("its name without the occasion")]
    jobs: Annotated[int, about("it had")]
    answers: Annotated[int, about("it had kept")]
    night: Annotated[str | None, about("the night of a suite that it measured; its scores stay")]


class KeptRun(JsonObject, frozen=True, kw_only=True):
    """A run that is old and stays, since its answers may be graded again."""

    run: Annotated[int, about("its id")]
    name: Annotated[str, about("its name")]
    night: Annotated[str, about("the night that it measured")]
    why: Annotated[Kept, about("open: no verdict yet; pool: the next night is compared with it; or pinned")]


class Removal(JsonObject, frozen=True, kw_only=True):
    """What `rm` removed."""

    schema: Schema
    removed: Annotated[list[RemovedRun], about("one run")]


Path = Annotated[str, about("path")]


class Pruning(JsonObject, frozen=True, kw_only=True):
    """What `prune` removed."""

    schema: Schema
    removed: Annotated[list[RemovedRun], about("runs")]
    files: Annotated[list[Path], about("deleted from the state folder")]
    freed_bytes: Annotated[int, about("given back to the disk")]
    kept: Annotated[list[KeptRun], about("old runs whose answers may be graded again")]


class PlannedPruning(JsonObject, frozen=True, kw_only=True):
    """What `prune --dry-run` found."""

    schema: Schema
    would: Annotated[str, about("what would be done")]
    runs: Annotated[list[RemovedRun], about("runs")]
    files: Annotated[list[Path], about("in the state folder")]
    kept: Annotated[list[KeptRun], about("old runs whose answers may be graded again")]


def run_text(run: RunRow, holds: RunContents) -> str:
    """Return a run with the number of its jobs and answers."""
    what = f"{text.count(holds.jobs, run.unit)} and {text.count(holds.answers, 'answer')}"
    name = short_name(one_line(run.name, None), run.occasion, _NAME_LENGTH)
    return f"run {run.id}, {name}: {what}"


def old_run_lines(old: Sequence[tuple[RunRow, RunContents]], known: Mapping[str, int]) -> list[str]:
    """Return the runs to remove, by stem; `known` has the number of runs of each stem."""
    by_stem: dict[str, list[str]] = {}
    for run, holds in old:
        by_stem.setdefault(run.stem, []).append(_ended_run_line(run, holds))
    lines = []
    for stem, ended in by_stem.items():
        of = text.count(max(known.get(stem, 0), len(ended)), "run")
        lines += [f"{one_line(stem, _NAME_LENGTH)}: {len(ended):,} of {of}", *ended]
    return lines


def _ended_run_line(run: RunRow, holds: RunContents) -> str:
    """Return an indented line: a run, what it holds and when it ended."""
    ended = (
        "half removed" if run.state is RunState.REMOVING else f"ended {text.timestamp(run.finished_at_ms)}"
    )
    return f"  {run_text(run, holds)}, {ended}"


def file_line(path: str, size_bytes: int) -> str:
    """Return an indented line: a file and its size."""
    return f"  {plain(path)}, {text.size(size_bytes)}"


def removed_text(runs: int, files: int, freed_bytes: int) -> str:
    """Return how much was removed, and the space that was given back."""
    removed = f"removed {text.count(runs, 'run')} and {text.count(files, 'file')}"
    return f"{removed}; {text.size(freed_bytes)} given back" if freed_bytes else removed


def night_text(night: NightRun) -> str:
    """Return what the removal of a run does to the night that it measured."""
    name = one_line(night.night, None)
    if night.kept is Kept.OPEN:
        return f"night {name} has no verdict yet, and would end without one"
    return f"the scores of night {name} stay; it can no longer be graded again"


def scores_stay_text(runs: int) -> str:
    """Return what the removal of so many runs of nights does to these."""
    return f"{text.count(runs, 'run')} of nights: the scores stay, but cannot be graded again"


def kept_lines(why: Sequence[Kept]) -> list[str]:
    """Return that old runs of nights stay, given why each does."""
    if not why:
        return []
    reasons = ", ".join(f"{why.count(one):,} {words}" for one, words in _KEPT_BECAUSE.items() if one in why)
    return [f"kept: {text.count(len(why), 'old run')} of nights ({reasons})"]


def removed_object(run: RunRow, holds: RunContents, night: NightRun | None) -> RemovedRun:
    """Return the JSON object of a removed run."""
    return RemovedRun(
        run=run.id,
        name=run.name,
        stem=run.stem,
        jobs=holds.jobs,
        answers=holds.answers,
        night=None if night is None else night.night,
    )
