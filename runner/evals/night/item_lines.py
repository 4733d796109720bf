"""The items of a night beside those of its baseline: the lines of NIGHT.items.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.evaluation import facts
from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.items import items_of
from runner.db.evaluation.measurements import measurements
from runner.db.evaluation.stored_labels import GradedItem, read_labels
from runner.rules.evaluation import item_changes
from runner.rules.evaluation.column_night import NightColumns
from runner.rules.evaluation.forms.items_csv import ItemLine
from runner.rules.evaluation.grader_scores import baseline_of
from runner.rules.evaluation.score_sums import score_sums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.rules.evaluation.column_night import ColumnNight
    from runner.rules.evaluation.night_report import ItemReport
    from runner.rules.evaluation.suite import Suite


def item_lines(connection: Connection, night: NightRow, suite: Suite) -> Iterator[ItemLine]:
    """Yield a line for every item by every grader, in the order of the suite; both measurements together."""
    known = facts.read_facts(connection, night, suite)
    graders = grader_ids(connection, night.id)
    ids = {item.id: item_id for item_id, item in items_of(connection, night.id)}
    measured = [one.id for one in measurements(connection, night.id)]
    labels = read_labels(connection, measured, graders.values())
    variants = [subject.name for subject in suite.subjects]
    columns = NightColumns(known)
    for column in known.first.scores:
        for line in _lines(columns.beside(column, baseline_of(suite, column.grader))):
            place = GradedItem(graders[line.grader], variants.index(line.variant), ids[line.id])
            yield line._replace(labels=tuple(labels.get(place, ())))


def changed_items(connection: Connection, night: NightRow, suite: Suite) -> list[ItemReport]:
    """Return the items with another mean by the primary grader than in the baseline, the worst first."""
    return item_changes.changed_items(NightColumns(facts.read_facts(connection, night, suite)))


def _lines(night: ColumnNight) -> Iterator[ItemLine]:
    """Yield the items of a column beside its baseline, without labels."""
    own, base = score_sums(night.together, night.first), night.pool
    for place, (item, scores) in enumerate(night.together.items()):
        has_base = night.baseline.is_enough and base.answers[place] > 0
        yield ItemLine(
            variant=night.column.variant,
            id=item,
            grader=night.column.grader,
            answers=len(scores),
            measured=own.answers[place],
            score=own.sums[place] if own.answers[place] else None,
            base_answers=base.answers[place] if has_base else None,
            base_score=base.sums[place] if has_base else None,
            labels=(),
        )
