"""The items of a night beside those of its pool: the lines of NIGHT.items.csv."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from runner.db.evaluation import facts
from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.items import items_of
from runner.db.evaluation.measurements import measurements
from runner.db.evaluation.stored_labels import GradedItem, read_labels
from runner.rules.evaluation.forms.items_csv import ItemLine
from runner.rules.evaluation.forms.score_words import item_change
from runner.rules.evaluation.night_gate import POOL_MOST
from runner.rules.evaluation.night_report import ItemReport
from runner.rules.evaluation.scores import pooled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.rules.evaluation.night_facts import Column, NightFacts
    from runner.rules.evaluation.scores import Score
    from runner.rules.evaluation.suite import Suite


def item_lines(connection: Connection, night: NightRow, suite: Suite) -> Iterator[ItemLine]:
    """Yield a line for every item by every grader, in the order of the suite; both measurements together."""
    known = facts.read_facts(connection, night, suite)
    graders = grader_ids(connection, night.id)
    ids = {item.id: item_id for item_id, item in items_of(connection, night.id)}
    measured = [one.id for one in measurements(connection, night.id)]
    labels = read_labels(connection, measured, graders.values())
    variants = [subject.name for subject in suite.subjects]
    for line in _lines(known):
        place = GradedItem(graders[line.grader], variants.index(line.variant), ids[line.id])
        yield line._replace(labels=tuple(labels.get(place, ())))


def _lines(known: NightFacts) -> Iterator[ItemLine]:
    """Yield the lines without labels."""
    pool = [night for night in known.past if night.is_accepted][-POOL_MOST:]
    measured = [known.first] if known.again is None else [known.first, known.again]
    for column in known.first.scores:
        tonight = pooled([one.scores[column] for one in measured])
        before = pooled([night.scores.get(column, {}) for night in pool])
        for item, scores in tonight.items():
            yield _line(column, item, scores, before.get(item, ()))


def _line(column: Column, item: str, scores: Sequence[Score], before: Sequence[Score]) -> ItemLine:
    """Return an item beside its baseline, without labels."""
    own, base = _known(scores), _known(before)
    return ItemLine(
        variant=column.variant,
        id=item,
        grader=column.grader,
        answers=len(scores),
        measured=len(own),
        score=fsum(own) if own else None,
        base_answers=len(base) or None,
        base_score=fsum(base) if base else None,
        labels=(),
    )


def _known(scores: Sequence[Score]) -> list[float]:
    return [score for score in scores if score is not None]


def changed_items(connection: Connection, night: NightRow, suite: Suite) -> Iterator[ItemReport]:
    """Yield the items whose mean by the primary grader differs from that of the pool."""
    for line in _lines(facts.read_facts(connection, night, suite)):
        is_known = line.score is not None and line.base_score is not None and line.base_answers
        if line.grader != suite.primary.name or not is_known:
            continue
        report = ItemReport(
            variant=line.variant,
            id=line.id,
            answers=line.measured,
            score=line.score or 0.0,
            base_answers=line.base_answers or 0,
            base_score=line.base_score or 0.0,
        )
        if item_change(report):
            yield report
