"""Reads the labels of grades, a short word for each answer, and why answers have no score."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from runner.db.evaluation.stored_scores import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection


class GradedItem(NamedTuple):
    """An item by one grader for one variant: ids, and the place of the variant."""

    grader_id: int
    variant: int
    item_id: int


def read_labels(
    connection: Connection, measurement_ids: Collection[int], grader_ids: Collection[int]
) -> Mapping[GradedItem, Sequence[str]]:
    """Return the labels of measurements by graders, "" for none: measurement by measurement, by epochs."""
    found: defaultdict[GradedItem, list[str]] = defaultdict(list)
    if measurement_ids and grader_ids:
        query = (
            "SELECT g.grader_id, g.variant, g.item_id, COALESCE(l.label, '') FROM eval_grades g"
            f" LEFT JOIN eval_labels l ON l.id = g.label_id WHERE g.measurement_id IN"
            f" ({listed(measurement_ids)}) AND g.grader_id IN ({listed(grader_ids)})"
            " ORDER BY g.measurement_id, g.grader_id, g.variant, g.item_id, g.epoch"
        )
        for grader_id, variant, item_id, label in connection.exec_driver_sql(query):
            found[GradedItem(grader_id, variant, item_id)].append(label)
    return found


def read_reasons(
    connection: Connection, measurement_ids: Collection[int], grader_ids: Collection[int]
) -> Mapping[tuple[int, int], Mapping[str, int]]:
    """Return why answers have no score, with their number: by grader and place of the variant."""
    found: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    if measurement_ids and grader_ids:
        query = (
            "SELECT g.grader_id, g.variant, l.reason, COUNT(*) FROM eval_grades g"
            f" JOIN eval_labels l ON l.id = g.label_id WHERE g.measurement_id IN ({listed(measurement_ids)})"
            f" AND g.grader_id IN ({listed(grader_ids)}) AND g.value IS NULL AND l.reason <> ''"
            " GROUP BY g.grader_id, g.variant, l.reason"
        )
        for grader_id, variant, reason, n in connection.exec_driver_sql(query):
            found[grader_id, variant][reason] += n
    return found
