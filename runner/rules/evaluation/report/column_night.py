"""One column of a night beside its baseline: the answers of one variant, as one grader scores them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from runner.rules.evaluation.gate.night_gate import GateOutcome, NightNoise, night_noise, no_drop
from runner.rules.evaluation.gate.past_noise import PastScores, past_z
from runner.rules.evaluation.gate.pool import POOL_LEAST, pool_of
from runner.rules.evaluation.gate.score_sums import PairedItems, ScoreSums, added, paired_items, score_sums
from runner.rules.evaluation.gate.scores import pooled
from runner.rules.evaluation.graders import takes_scores
from runner.rules.evaluation.suite.suite import BASELINE_DEFAULT, parse_baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from runner.rules.evaluation.gate.scores import Scores
    from runner.rules.evaluation.report.night_facts import Column, NightFacts, PastNight
    from runner.rules.statistics.comparison import Difference


class Baseline(NamedTuple):
    """The nights that a column is compared with, oldest first, and how many of them are needed."""

    nights: Sequence[PastNight]
    nights_least: int

    @property
    def is_enough(self) -> bool:
        """Return whether there are as many nights as needed."""
        return len(self.nights) >= self.nights_least


@dataclass(frozen=True, kw_only=True)
class ColumnNight:
    """A column of tonight. `first` and `again` have the scores of its measurements, with None for an answer
    that has no score; `pool` is the baseline added up. Without `is_repeatable` its scores are those of a
    file: they are of one measurement, and a second one would count them twice.
    """

    column: Column
    first: Scores
    again: Scores | None
    baseline: Baseline
    pool: ScoreSums
    learn_past_z: Callable[[], Sequence[float]]
    clusters: Sequence[Hashable] | None
    is_repeatable: bool

    @property
    def past_z(self) -> Sequence[float]:
        """Return how far the nights before were from theirs, in standard deviations."""
        return self.learn_past_z()

    @property
    def together(self) -> Scores:
        """Return the scores of all measurements of the night."""
        return self.first if self.again is None else pooled((self.first, self.again))

    @property
    def noise(self) -> NightNoise:
        """Return the noise of a night that was measured as often as this one."""
        noise = night_noise(self.past_z)
        return noise if self.again is None else noise.repeated()

    def paired(self, scores: Scores) -> PairedItems:
        """Return scores of the night beside the pool."""
        return paired_items(score_sums(scores, self.first), self.pool, self.clusters)

    def change(self, unscored: int | None = None) -> Difference | None:
        """Return what all measurements say about the pool, with the noise of nights; None without a baseline.

        `unscored` is the score that each answer without one counts as, if any.
        """
        if not self.baseline.is_enough:
            return None
        items = self.paired(filled(self.together, unscored))
        return self.noise.widen(items.difference()) if items.pairs else None

    def no_drop(self, *, alpha: float, remeasures: bool, unscored: int | None = None) -> GateOutcome:
        """Return what the gate against a drop says; `unscored` is as in `change`."""
        both = None if self.again is None else self.paired(filled(self.together, unscored))
        return no_drop(
            self.paired(filled(self.first, unscored)),
            both,
            self.past_z,
            pool_nights=len(self.baseline.nights),
            alpha=alpha,
            nights_least=self.baseline.nights_least,
            remeasures=remeasures and self.is_repeatable,
        )


class NightColumns:
    """The columns of a night, each beside its baseline; what several ask for is made once."""

    def __init__(self, facts: NightFacts) -> None:
        self.facts = facts
        self._found: dict[tuple[Column, str], ColumnNight] = {}
        self._past_z: dict[Column, Sequence[float]] = {}

    def beside(self, column: Column, baseline: str = BASELINE_DEFAULT) -> ColumnNight:
        """Return a column beside a baseline, `rolling:N` or `pinned:NAME`."""
        if (column, baseline) not in self._found:
            self._found[column, baseline] = self._made(column, baseline)
        return self._found[column, baseline]

    def _made(self, column: Column, baseline: str) -> ColumnNight:
        facts = self.facts
        first = facts.first.scores[column]
        items = list(first)
        is_repeatable = not takes_scores(facts.suite.grader(column.grader))
        again = None
        if facts.again is not None and is_repeatable:
            again = facts.again.scores[column]
        found = _baseline(facts.past, column, baseline)
        clusters = _cluster_of_each(items, facts.clusters)
        return ColumnNight(
            column=column,
            first=first,
            again=again,
            baseline=found,
            pool=added([score_sums({}, items), *(night.scores[column] for night in found.nights)]),
            learn_past_z=partial(self._learned, column, clusters),
            clusters=clusters,
            is_repeatable=is_repeatable,
        )

    def _learned(self, column: Column, clusters: Sequence[Hashable] | None) -> Sequence[float]:
        if column not in self._past_z:
            past = [_past_scores(night, column) for night in self.facts.past if column in night.first]
            self._past_z[column] = tuple(past_z(past, clusters))
        return self._past_z[column]


def filled(scores: Scores, unscored: int | None) -> Scores:
    """Return scores with `unscored` for each answer without one; None leaves them as they are."""
    if unscored is None:
        return scores
    return {item: [unscored if one is None else one for one in found] for item, found in scores.items()}


def _baseline(past: Sequence[PastNight], column: Column, baseline: str) -> Baseline:
    """Return the nights of `rolling:N` or `pinned:NAME` that have scores of a column.

    Those of `rolling:N` have them of an item of tonight.
    """
    known = [night for night in past if column in night.scores]
    nights, pinned = parse_baseline(baseline)
    if pinned is not None:
        return Baseline([night for night in known if night.pinned_as == pinned][-1:], 1)
    common = [night for night in known if any(night.scores[column].answers)]
    return Baseline(pool_of(common, nights), min(POOL_LEAST, nights))


def _past_scores(night: PastNight, column: Column) -> PastScores:
    """Return an earlier night as the noise is learned from it."""
    asked = (night.content.prompts.get(column.variant), night.content.models.get(column.variant))
    first, together = night.first[column], night.scores[column]
    return PastScores(first, together, night.is_accepted, asked, night.is_meant)


def _cluster_of_each(items: Sequence[str], clusters: Mapping[str, str]) -> Sequence[Hashable] | None:
    """Return the cluster of each item; one without is its own. None where no two items share one."""
    found: list[Hashable] = [("cluster", clusters[item]) if item in clusters else item for item in items]
    return found if any(count > 1 for count in Counter(found).values()) else None
