"""The score of each grader for each variant: mean, interval, bounds, and its change against the baseline."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from runner.rules.evaluation.gate.night_gate import night_noise
from runner.rules.evaluation.gate.score_sums import score_sums
from runner.rules.evaluation.gate.scores import coverage
from runner.rules.evaluation.report.night_facts import Column
from runner.rules.evaluation.report.night_report import GraderReport, ScoreChange
from runner.rules.evaluation.suite.suite import FALSE_ALARM_NIGHTS
from runner.rules.statistics.detectable import detectable_effect, detectable_from_scores
from runner.rules.statistics.intervals import (
    Interval,
    clustered_error,
    least_reach,
    mean_error,
    t_reach,
    wilson,
)
from runner.rules.statistics.multiple_tests import holm

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from runner.rules.evaluation.gate.score_sums import ScoreSums
    from runner.rules.evaluation.report.column_night import ColumnNight, NightColumns
    from runner.rules.evaluation.suite.suite import GraderSpec
    from runner.rules.statistics.comparison import Difference
    from runner.rules.statistics.intervals import MeanError

_CONFIDENCE: Final = 0.95
_REASONS_MAX: Final = 5


def grader_reports(columns: NightColumns) -> list[GraderReport]:
    """Return the score of each grader for each variant, the variants in the suite's order."""
    suite = columns.facts.suite
    found = [_report(columns, subject.name, grader) for subject in suite.subjects for grader in suite.graders]
    return _adjusted(found)


def _report(columns: NightColumns, variant: str, grader: GraderSpec) -> GraderReport:
    suite = columns.facts.suite
    gate = suite.comparing_gate(grader.name)
    alarm_nights = FALSE_ALARM_NIGHTS if gate is None else gate.false_alarm_nights
    night = columns.beside(Column(variant, grader.name), suite.baseline_of(grader.name))
    side = coverage(night.together)
    interval = _interval(score_sums(night.together, night.first), night.clusters)
    return GraderReport(
        variant=variant,
        grader=grader.name,
        is_primary=grader.is_primary,
        is_gating=suite.is_gating(grader.name),
        answers=side.answers,
        measured=side.measured,
        mean=side.mean,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        worst=side.low,
        best=side.high,
        change=_change(night, suite.epochs, 1 / alarm_nights),
        unscored=_commonest(columns.facts.unscored.get(Column(variant, grader.name), {})),
    )


def _commonest(reasons: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    return dict(ordered[:_REASONS_MAX])


def _interval(side: ScoreSums, clusters: Sequence[Hashable] | None) -> Interval | None:
    """Return the interval of a mean over items; None where no item has a score."""
    places = [place for place, answers in enumerate(side.answers) if answers]
    if not places:
        return None
    answers = sum(side.answers)
    if clusters is None and answers == len(places) and side.is_binary:
        return wilson(int(sum(side.sums)), answers, _CONFIDENCE)
    means = [side.sums[place] / side.answers[place] for place in places]
    if clusters is None:
        return _around(means, mean_error(means), answers)
    of_items = [clusters[place] for place in places]
    return _around(means, clustered_error(means, of_items), len(set(of_items)))


def _around(means: Sequence[float], error: MeanError, units: int) -> Interval:
    """Return the interval of t, but no narrower one than so many independent answers have at least."""
    reach = max(t_reach(error, _CONFIDENCE), least_reach(units, _CONFIDENCE))
    return Interval(max(0.0, fmean(means) - reach), min(1.0, fmean(means) + reach))


def _change(night: ColumnNight, epochs: int, alpha: float) -> ScoreChange | None:
    found = night.change()
    if found is None:
        return None
    low, high = found.interval(_CONFIDENCE)
    return ScoreChange(
        items=found.items,
        mean=found.mean,
        base_mean=found.base_mean,
        change=found.delta,
        low=low,
        high=high,
        p_drop=found.tails.lower,
        p_rise=found.tails.upper,
        p_adjusted=None,
        detectable=_detectable(night, found, epochs, alpha),
        nights=len(night.baseline.nights),
    )


def _detectable(night: ColumnNight, found: Difference, epochs: int, alpha: float) -> float | None:
    """Return the drop that one measurement would find, by the scatter of the baseline's own answers.

    Of clusters that does not say enough: there it is the scatter of this night's change.
    """
    if night.clusters is not None:
        return min(1.0, detectable_effect(found.error.standard_error, alpha, found.error.df))
    places = night.paired(night.together).places
    base = [tuple(column[place] for column in night.pool) for place in places]
    repeated = [(int(n), total, squares) for n, total, squares in base if n > 1]
    if not repeated:
        return None
    noise = night_noise(night.past_z).variance
    return detectable_from_scores(repeated, epochs, alpha=alpha, noise=noise)


def _adjusted(reports: list[GraderReport]) -> list[GraderReport]:
    """Return reports with the p-values of the graders beside the primary one corrected for their number."""
    places = [place for place, one in enumerate(reports) if one.change is not None and not one.is_primary]
    changes = [change for one in reports if (change := one.change) is not None and not one.is_primary]
    p_values = holm([min(1.0, 2 * min(change.p_drop, change.p_rise)) for change in changes])
    found = list(reports)
    for place, change, p in zip(places, changes, p_values, strict=True):
        found[place] = replace(found[place], change=replace(change, p_adjusted=p))
    return found
