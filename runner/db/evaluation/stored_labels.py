"""Reads the labels of grades, a short word for each answer, and why answers have no score."""

from __future__ import annotations

from collections import Counter, defaultdict
from sys import intern
from typing import TYPE_CHECKING

from runner.db.evaluation.stored_scores import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection


def read_labels(
    connection: Connection, measurement_ids: Collection[int], grader_id: int, variant: int
) -> Mapping[int, Sequence[str]]:
    """Return the labels of a column by database id of the item, "" for none: by measurements, by epochs.

    `variant` is its place.
    """
    found: defaultdict[int, list[str]] = defaultdict(list)
    if measurement_ids:
        query = (
            "SELECT g.item_id, COALESCE(l.label, '') FROM eval_grades g"
            f" LEFT JOIN eval_labels l ON l.id = g.label_id WHERE g.measurement_id IN"
            f" ({listed(measurement_ids)}) AND g.grader_id = {int(grader_id)} AND g.variant = {int(variant)}"
            " ORDER BY g.measurement_id, g.item_id, g.epoch"
        )
        for item_id, label in connection.exec_driver_sql(query):
            found[item_id].append(intern(label))  # a few words, many times
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
