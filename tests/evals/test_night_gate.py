"""The gate holds what it promises: few false alarms, drops are seen, and intervals cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from gate_simulation import ALPHA, CELLS, Cell, dropped, histories, keep, unchanged
from made_nights import MEASURED, NO_DROP, facts, measurement, past, suite
from scipy import stats

from runner.rules.evaluation.gate.night_gate import night_noise, no_drop
from runner.rules.evaluation.gate.score_sums import PairedItems
from runner.rules.evaluation.gate.scores import pooled
from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.make_report import night_report
from runner.rules.statistics.comparison import Paired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.gate.scores import Scores
    from runner.rules.evaluation.report.night_facts import PastNight

QUICK, LONG = 50, 1_000  # histories
COUNTS: Final = [QUICK, pytest.param(LONG, marks=pytest.mark.soak)]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
@pytest.mark.parametrize("count", COUNTS)
def test_unchanged_nights_rarely_alarm(cell: Cell, count: int) -> None:
    """At a target of one in 90 nights: 1.5 alarms a history at most, 2 where nights have noise; 92.5 % cover.

    With few histories the bound leaves room for chance: three standard errors of a mean of Poisson numbers.
    """
    rates = unchanged(cell, count)
    if count == LONG:
        keep(cell.name, rates)

    bound = 2.0 if cell.shift else 1.5
    assert rates["alarms"] <= bound + (3 * (bound / count) ** 0.5 if count == QUICK else 0)
    assert rates["covered"] >= 0.925


@pytest.mark.parametrize("count", COUNTS)
def test_a_drop_of_five_points_is_seen(count: int) -> None:
    """By 200 mixed items with 3 epochs: in the first night in 85 %, within three nights in 97 %."""
    rates = dropped(count)
    if count == LONG:
        keep("drop", rates)

    assert rates["histories"] > count / 2
    assert rates["first"] >= 0.85
    assert rates["within_three"] >= 0.97


def test_the_simulation_asks_what_the_report_of_a_night_asks() -> None:
    """The same nights, given as facts, have the same verdicts: also after alarms, and with noise."""
    cell = next(one for one in CELLS if one.name == "easy-30-3-noise")
    history = next(histories(cell, 1, "report"))
    of_cell = suite(NO_DROP, MEASURED, epochs=cell.epochs)
    nights: list[PastNight] = []
    seen = set()
    for number in range(30):
        drop = 0.3 if 20 <= number < 23 else 0.0
        verdict = history.night(drop)
        sides = [scores_of(successes, cell.epochs) for successes in history.measured]
        first, again = measurement(sides[0]), measurement(sides[1], 2) if len(sides) == 2 else None

        report = night_report(facts(first, nights, again=again, suite=of_cell))

        assert report.verdict == verdict.value
        seen.add(verdict)
        together = pooled(sides)
        is_accepted = verdict is not Verdict.REGRESSED
        by_column = dict.fromkeys(first.scores, together)
        nights.append(past(number + 1, first.scores, scores=by_column, is_accepted=is_accepted))
    assert seen >= {Verdict.NO_BASELINE, Verdict.PASSED, Verdict.REGRESSED}


def scores_of(successes: Sequence[int], epochs: int) -> Scores:
    """Return the scores of items by how many of their answers are right."""
    return {f"q{place}": [1] * right + [0] * (epochs - right) for place, right in enumerate(successes)}


def test_a_rise_is_an_improvement() -> None:
    base = PairedItems([Paired(3, 3, 42, 21)] * 40, range(40))

    assert no_drop(base, None, [], pool_nights=14, alpha=ALPHA).verdict is Verdict.IMPROVED


def test_few_nights_are_no_baseline_and_some_more_are_provisional() -> None:
    pairs = PairedItems([Paired(1, 1, 3, 3)] * 5, range(5))

    assert no_drop(pairs, None, [], pool_nights=2, alpha=ALPHA).verdict is Verdict.NO_BASELINE
    assert no_drop(PairedItems([], []), None, [], pool_nights=9, alpha=ALPHA).verdict is Verdict.NO_BASELINE
    assert no_drop(pairs, None, [], pool_nights=6, alpha=ALPHA).is_provisional
    assert not no_drop(pairs, None, [], pool_nights=7, alpha=ALPHA).is_provisional


def test_noise_is_never_less_than_none_and_bad_nights_count_most() -> None:
    assert night_noise([]).variance == 1
    assert night_noise([0.1] * 50).variance == 1
    assert night_noise([3.0, -3.0] * 10).variance == pytest.approx((9 * 20 + 4) / 24)
    assert night_noise([-2.9, 0.5, 0.5]).variance == pytest.approx((2 * 2.9**2 + 4) / 7)


def test_the_first_noisy_night_does_not_make_the_interval_absurd() -> None:
    """The four nights that are assumed count as observations: by t with 5 degrees, not with one."""
    pairs = PairedItems([Paired(3, 2, 9, 7)] * 10, range(10))
    plain = pairs.difference()

    outcome = no_drop(pairs, None, [-2.5], pool_nights=4, alpha=ALPHA)

    assert outcome.difference is not None
    wide, usual = outcome.difference.interval(), plain.interval()
    spread = ((2 * 2.5**2 + 4) / 5) ** 0.5
    reach = stats.t.ppf(0.975, 5) * spread * plain.error.standard_error
    assert wide.high - outcome.difference.delta == pytest.approx(reach)
    assert wide.high - wide.low < 3 * (usual.high - usual.low)


def test_a_night_far_away_does_not_silence_the_gate() -> None:
    """It counts as some usual falls: one collapse does not blind it, a noisy suite stays noisy."""
    assert night_noise([-60.0]) == night_noise([-4.0])
    assert night_noise([0.5, -0.7] * 15 + [-60.0]).variance < 1.6
    assert night_noise([2.5, -2.5] * 15 + [-60.0]).variance > 2.5**2
    worse = PairedItems([Paired(3, 0, 42, 42)] * 40, range(40))

    outcome = no_drop(worse, worse, [-60.0, 0, 0, 0], pool_nights=4, alpha=ALPHA)

    assert outcome.verdict is Verdict.REGRESSED


def test_the_noise_of_a_night_weighs_twice_in_two_measurements() -> None:
    """Both are of the same night: its noise does not shrink with them, as chance does."""
    once = PairedItems([Paired(3, 1, 42, 42)] * 10, range(10))
    twice = PairedItems([Paired(6, 2, 84, 84)] * 10, range(10))
    past_z = [2.5, -2.0, 1.5, -2.5, 0.5]

    outcome = no_drop(once, twice, past_z, pool_nights=14, alpha=ALPHA)

    variance = night_noise(past_z).variance
    assert variance > 2
    assert outcome.is_repeated
    assert outcome.difference is not None
    assert outcome.difference.tails.z == pytest.approx(
        twice.difference().tails.z / (1 + 2 * (variance - 1)) ** 0.5
    )
    assert outcome.first_z == once.difference().tails.z


def test_without_a_second_measurement_the_first_decides() -> None:
    worse = PairedItems([Paired(3, 2, 42, 42)] * 10, range(10))
    slightly = PairedItems([Paired(3, 2, 42, 40)] * 3, range(3))

    assert no_drop(worse, None, [], pool_nights=14, alpha=ALPHA).verdict is Verdict.MEASURE_AGAIN
    alone = [
        no_drop(pairs, None, [], pool_nights=14, alpha=ALPHA, remeasures=False).verdict
        for pairs in (worse, slightly)
    ]
    assert alone == [Verdict.REGRESSED, Verdict.PASSED]
