"""The items of a night beside those of its baseline: the lines of NIGHT.items.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.db.evaluation import facts
from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.items import item_places
from runner.db.evaluation.measurements import measurements
from runner.db.evaluation.stored_labels import read_labels
from runner.rules.evaluation.forms.items_csv import ItemLine
from runner.rules.evaluation.gate.pool import POOL_MOST
from runner.rules.evaluation.gate.score_sums import score_sums
from runner.rules.evaluation.report import item_changes
from runner.rules.evaluation.report.column_night import NightColumns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from runner.db.evaluation.nights import NightRow
    from runner.rules.evaluation.report.column_night import ColumnNight
    from runner.rules.evaluation.report.night_facts import NightFacts
    from runner.rules.evaluation.report.night_report import ItemReport
    from runner.rules.evaluation.suite.suite import Suite


def item_lines(connection: Connection, night: NightRow, suite: Suite) -> Iterator[ItemLine]:
    """Yield a line for every item by every grader, in the order of the suite; both measurements together."""
    known = _facts(connection, night, suite)
    graders = grader_ids(connection, night.id)
    ids = [item.item_id for item in item_places(connection, night.id)]
    measured = [one.id for one in measurements(connection, night.id)]
    variants = [subject.name for subject in suite.subjects]
    for column in known.first.scores:
        columns = NightColumns(known)  # of one column alone, so that the others take no memory
        labels = read_labels(connection, measured, graders[column.grader], variants.index(column.variant))
        lines = _lines(columns.beside(column, suite.baseline_of(column.grader)))
        for line, item_id in zip(lines, ids, strict=True):
            yield line._replace(labels=tuple(labels.get(item_id, ())))


def changed_items(connection: Connection, night: NightRow, suite: Suite) -> list[ItemReport]:
    """Return the items with another mean by the primary grader than in the baseline, the worst first."""
    return item_changes.changed_items(NightColumns(_facts(connection, night, suite)))


def _facts(connection: Connection, night: NightRow, suite: Suite) -> NightFacts:
    return facts.read_facts(connection, night, suite, nights_max=POOL_MOST, is_noise_needed=False)


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
            score=own.total(place) if own.answers[place] else None,
            base_answers=base.answers[place] if has_base else None,
            base_score=base.total(place) if has_base else None,
            labels=(),
        )
