"""The items of a night beside those of its baseline, by the primary grader."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from runner.rules.evaluation.report.night_facts import Column
from runner.rules.evaluation.report.night_report import ItemReport, ItemsReport
from runner.rules.statistics.multiple_tests import benjamini_hochberg
from runner.rules.statistics.stratified_test import exact_tails

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runner.rules.evaluation.report.column_night import NightColumns
    from runner.rules.statistics.comparison import Paired

_CHANGES_MOST: Final = 100


class _Change(NamedTuple):
    """An item of one variant, with both sides of it."""

    variant: str
    item: str
    pair: Paired


def items_report(columns: NightColumns) -> ItemsReport:
    """Return what became of the items. Which differ most is asked of all variants together."""
    facts = columns.facts
    changed = _changed(columns)
    most = sorted(changed, key=lambda found: -abs(found[0].pair.delta))[:_CHANGES_MOST]
    return ItemsReport(
        total=len(next(iter(facts.first.scores.values()))),
        same=facts.item_changes.same,
        added=list(facts.item_changes.added),
        removed=list(facts.item_changes.removed),
        changed=list(facts.item_changes.changed),
        worse=sum(one.pair.delta < 0 for one, _ in changed),
        better=sum(one.pair.delta > 0 for one, _ in changed),
        changes=_reports(most),
    )


def changed_items(columns: NightColumns) -> list[ItemReport]:
    """Return all items with another mean than in the baseline, the worst first."""
    return _reports(_changed(columns))


def _changed(columns: NightColumns) -> list[tuple[_Change, float]]:
    """Return the items with another mean than in the baseline, each with its corrected p."""
    pairs = [one for subject in columns.facts.suite.subjects for one in _pairs(columns, subject.name)]
    p_values = benjamini_hochberg([_probability(one.pair) for one in pairs])
    return [(one, p) for one, p in zip(pairs, p_values, strict=True) if one.pair.delta]


def _reports(changed: Iterable[tuple[_Change, float]]) -> list[ItemReport]:
    """Return items as they are reported, the worst first."""
    return [_report(one, p) for one, p in sorted(changed, key=lambda found: found[0].pair.delta)]


def _pairs(columns: NightColumns, variant: str) -> Iterator[_Change]:
    suite = columns.facts.suite
    grader = suite.primary.name
    night = columns.beside(Column(variant, grader), suite.baseline_of(grader))
    if not night.baseline.is_enough:
        return
    items = list(night.first)
    found = night.paired(night.together)
    for place, pair in zip(found.places, found.pairs, strict=True):
        yield _Change(variant, items[place], pair)


@lru_cache(maxsize=65_536)
def _probability(pair: Paired) -> float:
    """Return how probable a change as large, down or up, is by chance; 1 for scores between 0 and 1."""
    if not pair.is_binary:
        return 1.0
    tails = exact_tails({pair.stratum: 1}, int(pair.score_sum))
    return min(1.0, 2 * min(tails.lower, tails.upper))


def _report(change: _Change, p: float) -> ItemReport:
    pair = change.pair
    return ItemReport(
        variant=change.variant,
        id=change.item,
        answers=pair.answers,
        score=pair.score_sum,
        base_answers=pair.base_answers,
        base_score=pair.base_score_sum,
        p_adjusted=p if pair.is_binary else None,
    )
