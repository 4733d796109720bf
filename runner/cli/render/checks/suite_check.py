"""What `runner check` found in a suite, as named facts for the screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from runner.cli.render import text
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.rules.table_faults import TableFault

_SENTENCE_LENGTH = 300
_PATH_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderFacts:
    """A grader, and its trial on the items' own targets; see `GraderTrial`."""

    name: str
    type: str
    is_primary: bool
    tried: int
    wrong: int
    examples: Sequence[str]
    not_tried: str | None


class NamedFile(NamedTuple):
    """A file that was read for a suite."""

    path: str
    sha256: str


class FoundDrop(NamedTuple):
    """A drop, 0 to 1, that is found in 8 of 10 nights, for a mean of `score` and a baseline of `nights`.

    `drop_together` is found where all items of a cluster rise and fall as one; None without clusters.
    """

    drop: float
    drop_together: float | None
    score: float
    nights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteFacts:
    """A suite with its items. `detectable` is the drop that a night would show; None without items.

    `clusters` is 0 where the items name none, `variants` is () where there is one subject.
    """

    name: str
    items_path: str
    form: str
    items: int
    items_sha256: str
    faults: Sequence[TableFault]
    clusters: int
    epochs: int
    variants: Sequence[str]
    requests: int
    files: Sequence[NamedFile]
    graders: Sequence[GraderFacts]
    warnings: Sequence[str]
    detectable: FoundDrop | None


def suite_rows(suite: SuiteFacts) -> Iterator[tuple[str, str]]:
    """Yield the facts of a suite with their names."""
    yield "suite", one_line(suite.name, _PATH_LENGTH)
    yield "items", _items(suite)
    for file in suite.files:
        yield "read", f"{one_line(file.path, _PATH_LENGTH)}, sha256 {file.sha256[:12]}…"
    if suite.variants:
        yield "variant", one_line(", ".join(suite.variants), _SENTENCE_LENGTH)
    for grader in suite.graders:
        yield "grader", _grader(grader)
        for example in grader.examples:
            yield "", one_line(example, _SENTENCE_LENGTH)
    for warning in suite.warnings:
        yield "warning:", f" {one_line(warning, _SENTENCE_LENGTH)}"
    if suite.detectable is not None:
        yield "finds", _detectable(suite.detectable)


def _items(suite: SuiteFacts) -> str:
    parts = [f"{one_line(suite.items_path, _PATH_LENGTH)} ({suite.form}): {text.count(suite.items, 'item')}"]
    parts += [f"in {text.count(suite.clusters, 'cluster')}"] if suite.clusters else []
    parts.append(f"x {text.count(suite.epochs, 'epoch')}")
    parts += [f"x {len(suite.variants)} variants"] if suite.variants else []
    return f"{' '.join(parts)} = {text.count(suite.requests, 'request')}"


def _grader(grader: GraderFacts) -> str:
    name = f"{one_line(grader.name, _PATH_LENGTH)} ({grader.type}{', primary' if grader.is_primary else ''})"
    if grader.not_tried is not None:
        return f"{name}: not tried on the targets; {grader.not_tried}"
    if grader.wrong:
        shown = f", the first {len(grader.examples)}:" if grader.wrong > len(grader.examples) else ":"
        return f"{name}: does not grade {grader.wrong:,} of {grader.tried:,} targets as right{shown}"
    return f"{name}: grades {text.count(grader.tried, 'target')} as right"


def _detectable(found: FoundDrop) -> str:
    drop, more = f"a drop of {100 * found.drop:.1f} points", "items"
    if found.drop_together is not None:
        drop += (
            " where the items of a cluster rise and fall each by itself,"
            f" of {100 * found.drop_together:.1f} where all of them do as one"
        )
        more = "clusters"
    return (
        f"{drop}, 8 times in 10, after {text.count(found.nights, 'night')}"
        f" and if {100 * found.score:.0f} % is right; more epochs or {more} find a smaller one"
    )
