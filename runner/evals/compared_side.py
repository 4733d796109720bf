"""One side of a comparison: a file of scores, or a night."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from runner.db.evaluation import facts, nights
from runner.db.evaluation.items import hashes_of
from runner.evals.grading.score_file import read_scores
from runner.rules.counted import count, listed
from runner.rules.errors import UsageError, UserError
from runner.rules.evaluation.gate.scores import have_common_items, pooled
from runner.rules.evaluation.report.night_content import decode_content
from runner.rules.evaluation.report.night_facts import Column
from runner.rules.evaluation.suite.suite_json import decode_suite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.rules.evaluation.gate.scores import Scores

_OTHER: Final = " (other content)"
_SIDES_SHOWN: Final = 5
_VARIANTS_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedScores:
    """Scores with where they are from. `again` are those of a second measurement.

    Of a night there are the hash of each item, and that of its grader.
    """

    name: str
    scores: Scores
    again: Scores | None = None
    item_hashes: Mapping[str, str] = field(default_factory=dict)
    grader_hash: str | None = None

    @property
    def all(self) -> Scores:
        """Return the scores of all measurements together."""
        return self.scores if self.again is None else pooled((self.scores, self.again))


class NoCommonItems(UserError):  # noqa: N818 - named as users read it
    """A side has no item with scores in common with any other (exit 3)."""

    exit_code = 3

    def __init__(self, first: ComparedScores, others: Sequence[ComparedScores]) -> None:
        beside = others[0].name if len(others) == 1 else f"any of {count(len(others), 'night')}"
        shown = [first, *others[:_SIDES_SHOWN]]
        super().__init__(
            f"{first.name} has no item with scores in common with {beside}",
            where=tuple(f'{side.name} has ids as "{next(iter(side.scores)):.60}"' for side in shown),
            fix="give both sides scores of the same items, under the same ids",
        )


def read_side(
    path: Path, read: Callable[[], AbstractContextManager[Connection | None]], variant: str | None = None
) -> ComparedScores:
    """Return the scores of a file, else of the night of that name by its primary grader.

    `read` opens a transaction of the database, or gives None where there is none. `variant` is that of a
    night; None is the first. Raises UserError.
    """
    name = str(path)
    if path.exists() or "@" not in name:
        return ComparedScores(name=name, scores=read_scores(path))
    with read() as connection:
        night = None if connection is None else nights.find_by_name(connection, name)
        if connection is None or night is None:
            raise UsageError(
                f"{name} is neither a file nor a night",
                fix="runner history SUITE shows the nights of a suite",
            )
        return _of_night(connection, night, variant)


def comparable(first: ComparedScores, second: ComparedScores) -> ComparedScores:
    """Return the second side so that only items that are the same on both are compared.

    Raises UsageError where two nights were graded by other rules.
    """
    if first.grader_hash and second.grader_hash and first.grader_hash != second.grader_hash:
        raise UsageError(
            f"{first.name} and {second.name} were graded by different graders",
            fix="runner regrade SUITE.toml grades the stored answers of both by the same",
        )
    changed = {
        item for item, found in first.item_hashes.items() if second.item_hashes.get(item, found) != found
    }
    scores = {f"{item}{_OTHER}" if item in changed else item: one for item, one in second.all.items()}
    return replace(second, scores=scores, again=None)


def with_common_items(
    first: ComparedScores, others: Sequence[ComparedScores]
) -> tuple[list[ComparedScores], list[str]]:
    """Return the sides that have an item with scores in common with the first, and the names of the rest.

    Raises NoCommonItems where no side has one.
    """
    kept, left_out, scores = [], [], first.all
    for side in others:
        if have_common_items(scores, side.all):
            kept.append(side)
        else:
            left_out.append(side.name)
    if not kept:
        raise NoCommonItems(first, others)
    return kept, left_out


def _of_night(connection: Connection, night: NightRow, variant: str | None) -> ComparedScores:
    if night.verdict is None:
        raise UsageError(f"{night.name} is not finished", fix="runner eval SUITE.toml carries it on")
    suite = decode_suite(night.spec)
    known = facts.read_facts(connection, night, suite, nights_max=0)
    variants = [subject.name for subject in suite.subjects]
    if variant is not None and variant not in variants:
        raise UsageError(
            f'{night.name} has no variant "{variant}"', fix=f"it has {listed(variants, _VARIANTS_SHOWN)}"
        )
    column = Column(variant or variants[0], suite.primary.name)
    return ComparedScores(
        name=night.name if len(variants) == 1 else f"{night.name}, {column.variant}",
        scores=known.first.scores[column],
        again=None if known.again is None else known.again.scores[column],
        item_hashes=hashes_of(connection, night.id),
        grader_hash=decode_content(night.content).graders[suite.primary.name],
    )
