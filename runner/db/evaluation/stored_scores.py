"""Reads the grades of measurements: as scores by item, or added up."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.db.connection.postgres_engine import BINARY_BYTEA
from runner.rules.evaluation.gate.score_sums import packed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Connection

    from runner.rules.evaluation.gate.score_sums import ScoreSums
    from runner.rules.evaluation.gate.scores import Score

ScoresByItem = dict[str, list["Score"]]
_SIDE, _ITEM, _VALUE = itemgetter(0, 1, 2), itemgetter(3), 4  # of the columns that are read


class Side(NamedTuple):
    """Grades of one measurement by one grader for one variant: ids, and the place of the variant."""

    measurement_id: int
    grader_id: int
    variant: int


def same_graders(connection: Connection, suite_id: int, graders: Mapping[str, int]) -> dict[str, list[int]]:
    """Return ids of the graders of a suite with the same rules as those given (by name, with their ids).

    A grader keeps its scores under another name; the given id comes first.
    """
    query = f"SELECT id, sha256 FROM eval_graders WHERE suite_id = {suite_id} ORDER BY id"
    sha_of = {row.id: row.sha256 for row in connection.exec_driver_sql(query)}
    return {
        name: sorted(
            (other for other, sha in sha_of.items() if sha == sha_of[own]), key=lambda id_: id_ != own
        )
        for name, own in graders.items()
    }


def read_scores(
    connection: Connection,
    measurement_ids: Collection[int],
    grader_ids: Collection[int],
    names: Mapping[int, str],
) -> dict[Side, ScoresByItem]:
    """Return the scores of measurements by graders, only of the items in `names` (by id), in epoch order."""
    if not measurement_ids or not grader_ids:
        return {}
    query = (
        "SELECT measurement_id, grader_id, variant, item_id, value FROM eval_grades"
        f" WHERE measurement_id IN ({listed(measurement_ids)}) AND grader_id IN ({listed(grader_ids)})"
        " ORDER BY measurement_id, grader_id, variant, item_id, epoch"
    )
    # The driver's rows, on PostgreSQL in binary: SQLAlchemy's rows, and numbers as text, take twice the time.
    rows: Any = connection.exec_driver_sql(query, execution_options={BINARY_BYTEA: True}).cursor
    return {Side(*side): _by_item(found, names) for side, found in groupby(rows, _SIDE)}


def read_score_sums(
    connection: Connection,
    measurement_ids: Collection[int],
    grader_ids: Collection[int],
    places: Mapping[int, int],
) -> dict[Side, ScoreSums]:
    """Return the scores of measurements added up by item: those in `places`, which maps ids to 0, 1, ….

    Without the sides that have none of these items. Read one measurement after another: a night of many
    items, and as many nights before it, take little memory.
    """
    found: dict[Side, ScoreSums] = {}
    for measurement_id in measurement_ids if grader_ids and places else ():
        query = (
            f"SELECT grader_id, variant, item_id, value FROM eval_grades WHERE measurement_id ="
            f" {int(measurement_id)} AND grader_id IN ({listed(grader_ids)})"
            " ORDER BY grader_id, variant, item_id, epoch"
        )
        rows: Any = connection.exec_driver_sql(query, execution_options={BINARY_BYTEA: True}).cursor
        for (grader_id, variant), of_side in groupby(rows, itemgetter(0, 1)):
            side = _added_up(of_side, places)
            if side is not None:
                found[Side(measurement_id, grader_id, variant)] = side
    return found


def _added_up(rows: Iterable[tuple[Any, ...]], places: Mapping[int, int]) -> ScoreSums | None:
    """Return the scores of one side added up; None where it has none of the items."""
    answers, sums, squares = [0] * len(places), [0.0] * len(places), [0.0] * len(places)
    is_empty = True
    for _, _, item_id, value in rows:
        place = places.get(item_id)
        if place is not None:
            is_empty = False
            if value is not None:
                answers[place] += 1
                sums[place] += value
                squares[place] += value * value
    return None if is_empty else packed(answers, sums, squares)


def listed(ids: Collection[int]) -> str:
    """Return ids as a list in SQL."""
    return ", ".join(str(int(one)) for one in ids)


def _by_item(rows: Iterable[tuple[Any, ...]], names: Mapping[int, str]) -> ScoresByItem:
    return {
        names[item_id]: [row[_VALUE] for row in found]
        for item_id, found in groupby(rows, _ITEM)
        if item_id in names
    }
