"""Reads a night and those before it in a few statements: all that its report is made of."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from sqlalchemy import text

from runner.db.counts import counters
from runner.db.evaluation import answer_groups, stored_scores
from runner.db.evaluation.graders import grader_ids
from runner.db.evaluation.items import changes_since, item_places
from runner.db.evaluation.measurements import measurements, measurements_of
from runner.db.evaluation.stored_labels import read_reasons
from runner.db.evaluation.stored_scores import Side
from runner.rules.evaluation.gate.score_sums import added
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.night_content import decode_content
from runner.rules.evaluation.report.night_facts import (
    Column,
    ItemChanges,
    Measurement,
    NightCosts,
    NightFacts,
    PastNight,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row

    from runner.db.evaluation.answer_groups import Groups
    from runner.db.evaluation.items import ItemPlace
    from runner.db.evaluation.measurements import MeasurementRow
    from runner.db.evaluation.nights import NightRow
    from runner.db.evaluation.stored_scores import ScoresByItem
    from runner.rules.evaluation.gate.score_sums import ScoreSums
    from runner.rules.evaluation.gate.scores import Scores
    from runner.rules.evaluation.suite.suite import Suite

_NIGHTS_MAX: Final = 90


_Stored = TypeVar("_Stored")


@dataclass(frozen=True, slots=True, kw_only=True)
class _NightData:
    """What is stored of all measurements that are read: scores of tonight's, sums of earlier ones."""

    graders: Mapping[str, Sequence[int]]  # ids of those with equal rules, by the name of tonight's
    scores: Mapping[Side, ScoresByItem]
    score_sums: Mapping[Side, ScoreSums]
    groups: Mapping[int, Groups]

    def by_column(
        self, stored: Mapping[Side, _Stored], measurement: int, variants: Sequence[str]
    ) -> dict[Column, _Stored]:
        """Return what is stored of a measurement by column; `variants` are the names that its night had."""
        return {
            Column(variant, grader): found[0]
            for place, variant in enumerate(variants)
            for grader, ids in self.graders.items()
            if (found := [stored[side] for one in ids if (side := Side(measurement, one, place)) in stored])
        }


def read_facts(
    connection: Connection,
    night: NightRow,
    suite: Suite,
    *,
    nights_max: int = _NIGHTS_MAX,
    is_noise_needed: bool = True,
    costs: NightCosts | None = None,
    cannot_remeasure: str | None = None,
) -> NightFacts:
    """Return a night whose first measurement is graded, with the newest valid nights before it.

    Pinned nights are among them, however old. Scores of past nights are those by graders with the same rules.
    `costs` None: as the counters of the runs say. Without `is_noise_needed` only nights are read
    that a baseline may have.
    """
    past = _past_nights(connection, night, nights_max, is_noise_needed)
    before = measurements_of(connection, [row.id for row in past])
    own = _own_measurements(connection, night)
    items = item_places(connection, night.id)
    stored = _read(connection, night, items, own, list(chain.from_iterable(before.values())))
    first, *again = [_measurement(stored, row, night, suite, items) for row in own]
    return NightFacts(
        suite=suite,
        night=night.name,
        occasion=night.occasion,
        first=first,
        again=next(iter(again), None),
        past=[_past(stored, row, before[row.id]) for row in past if before[row.id]],
        content=decode_content(night.content),
        item_changes=_changes(connection, night, past),
        costs=costs or run_costs(connection, [row.run_id for row in own]),
        cannot_remeasure=cannot_remeasure,
        clusters=_clusters(items),
        unscored=_unscored(connection, night, own),
    )


def _unscored(
    connection: Connection, night: NightRow, own: Sequence[MeasurementRow]
) -> dict[Column, Mapping[str, int]]:
    """Return why answers of a night have no grade, by column."""
    graders = grader_ids(connection, night.id)
    names = {grader_id: name for name, grader_id in graders.items()}
    found = read_reasons(connection, [row.id for row in own], graders.values())
    return {
        Column(night.variants[variant], names[grader_id]): reasons
        for (grader_id, variant), reasons in found.items()
    }


def _own_measurements(connection: Connection, night: NightRow) -> list[MeasurementRow]:
    """Return the first measurement of a night, and the second where it is graded."""
    return [row for row in measurements(connection, night.id) if row.is_graded or row.number == 1]


def _clusters(items: Sequence[ItemPlace]) -> dict[str, str]:
    return {item.key: item.cluster for item in items if item.cluster is not None}


def run_costs(connection: Connection, run_ids: Sequence[int]) -> NightCosts:
    """Return what runs cost together, as their counters say."""
    sums: defaultdict[tuple[str, str], int] = defaultdict(int)
    for run_id in run_ids:
        for key, n in counters.read(connection, run_id, "ticks", "attempts").items():
            sums[key] += n
    return NightCosts(
        ticks=sums["ticks", "reported"] + sums["ticks", "estimated"],
        uncertain_ticks=sums["ticks", "possible_extra"],
        requests=sums["attempts", "accepted"],
    )


def _past_nights(
    connection: Connection, night: NightRow, nights_max: int, is_noise_needed: bool
) -> Sequence[Row[Any]]:
    """Return the valid nights before a night, oldest first: the newest, and those that are pinned."""
    valid = "suite_id = :suite AND id < :night AND state = 'ended' AND is_valid = 1"
    newest = valid if is_noise_needed else f"{valid} AND is_accepted = 1"
    query = text(
        "SELECT id, name, occasion, variants, content, is_accepted, verdict, pinned_as FROM eval_nights"
        f" WHERE {valid} AND (pinned_as IS NOT NULL OR id IN"
        f" (SELECT id FROM eval_nights WHERE {newest} ORDER BY id DESC LIMIT :nights)) ORDER BY id"
    )
    values = {"suite": night.suite_id, "night": night.id, "nights": nights_max}
    return connection.execute(query, values).all()


def _read(
    connection: Connection,
    night: NightRow,
    items: Sequence[ItemPlace],
    own: Sequence[MeasurementRow],
    before: Sequence[MeasurementRow],
) -> _NightData:
    graders = stored_scores.same_graders(connection, night.suite_id, grader_ids(connection, night.id))
    names = {item.item_id: item.key for item in items}
    places = {item.item_id: place for place, item in enumerate(items)}
    wanted = sorted({grader for same in graders.values() for grader in same})
    earlier = [row.id for row in before]
    return _NightData(
        graders=graders,
        scores=stored_scores.read_scores(connection, [row.id for row in own], wanted, names),
        score_sums=stored_scores.read_score_sums(connection, earlier, wanted, places),
        groups=answer_groups.read_groups(connection, [*(row.id for row in own), *earlier]),
    )


def _measurement(
    stored: _NightData, row: MeasurementRow, night: NightRow, suite: Suite, items: Sequence[ItemPlace]
) -> Measurement:
    groups = stored.groups.get(row.id, [])
    known = stored.by_column(stored.scores, row.id, night.variants)
    columns = [Column(variant, grader) for variant in night.variants for grader in stored.graders]
    return Measurement(
        scores={column: _of_all_items(known.get(column, {}), items, suite.epochs) for column in columns},
        answers=answer_groups.answer_counts(groups, len(items) * suite.epochs * len(night.variants)),
        lost=answer_groups.lost_answers(groups, night.variants),
        services=answer_groups.services(groups),
        run=row.run_id,
    )


def _of_all_items(scores: ScoresByItem, items: Sequence[ItemPlace], epochs: int) -> Scores:
    return {item.key: _of_all_epochs(scores.get(item.key, []), epochs) for item in items}


def _of_all_epochs(found: Sequence[float | None], epochs: int) -> Sequence[float | None]:
    """Return scores with None for the epochs that have no answer."""
    return found if len(found) == epochs else [*found, *([None] * (epochs - len(found)))]


def _past(stored: _NightData, row: Row[Any], rows: Sequence[MeasurementRow]) -> PastNight:
    variants = orjson.loads(row.variants)
    each = [stored.by_column(stored.score_sums, one.id, variants) for one in rows]
    groups = [group for one in rows for group in stored.groups.get(one.id, [])]
    return PastNight(
        name=row.name,
        occasion=row.occasion,
        first=each[0],
        scores=each[0] if len(each) == 1 else _together(each),
        is_accepted=bool(row.is_accepted),
        pinned_as=row.pinned_as,
        content=decode_content(row.content),
        answers=answer_groups.answer_counts(groups),
        services=answer_groups.services(groups),
        is_meant=bool(row.is_accepted) and row.verdict == Verdict.REGRESSED,
    )


def _together(each: Sequence[Mapping[Column, ScoreSums]]) -> Mapping[Column, ScoreSums]:
    """Return all measurements of a night added up."""
    columns = dict.fromkeys(chain.from_iterable(each))
    return {column: added([sides[column] for sides in each if column in sides]) for column in columns}


def _changes(connection: Connection, night: NightRow, past: Sequence[Row[Any]]) -> ItemChanges:
    """Return the items beside those of the newest accepted night; nothing where there is none."""
    newest = next((row.id for row in reversed(past) if row.is_accepted), None)
    return ItemChanges(same=0) if newest is None else changes_since(connection, night.id, newest)
