"""Clusters, rates, several tests at once and detectable drops equal those of statsmodels, to 1e-9.

Each on 10,000 random cases. The standard errors that a leaderboard published are reproduced, too.
"""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower, normal_power
from statsmodels.stats.proportion import proportion_confint

from runner.rules.statistics.comparison import Paired, difference
from runner.rules.statistics.detectable import (
    design_effect,
    detectable_drop,
    detectable_effect,
    detectable_from_scores,
)
from runner.rules.statistics.intervals import MeanError, clustered_error, least_reach, mean_error, wilson
from runner.rules.statistics.multiple_tests import benjamini_hochberg, holm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CASES: Final = 10_000
CLOSE: Final = 1e-9
ALPHA: Final = 1 / 90
PUBLISHED: Final = Path(__file__).with_name("published_errors.csv")


@pytest.fixture
def chance() -> random.Random:
    return random.Random(20_261_128)


def test_wilsons_interval(chance: random.Random) -> None:
    answers = np.array([chance.randint(1, 10 ** chance.randint(0, 5)) for _ in range(CASES)])
    successes = np.array([chance.randint(0, n) for n in answers])
    confidence = np.array([chance.choice([0.9, 0.95, 0.99, chance.uniform(0.01, 0.999)]) for _ in answers])

    ours = [wilson(int(k), int(n), c) for k, n, c in zip(successes, answers, confidence, strict=True)]

    referee = proportion_confint(successes, answers, 1 - confidence, method="wilson")
    np.testing.assert_allclose(ours, np.transpose(referee), rtol=CLOSE, atol=CLOSE)


def test_without_a_failure_the_interval_of_a_rate_is_the_least_one() -> None:
    """What holds of a difference holds of a mean: the scatter of equal scores says nothing."""
    assert 1 - wilson(50, 50, 0.95).low == pytest.approx(least_reach(50, 0.95), rel=1e-12)


def test_the_clustered_error(chance: random.Random) -> None:
    """The referee: least squares on a constant, with a covariance by clusters, for G / (G - 1).

    statsmodels takes 1 ms a case; 400 go there, and all to the formula over arrays.
    """
    for case in range(CASES):
        n = chance.randint(2, 40)
        clusters = [chance.randrange(chance.randint(1, n)) for _ in range(n)]
        values = [chance.gauss(0, 1) for _ in range(n)]

        error = clustered_error(values, clusters)

        groups = len(set(clusters))
        if groups == 1:
            assert error == MeanError(math.inf, 0)
            continue
        residuals = np.bincount(clusters, np.array(values) - np.mean(values))
        expected = math.sqrt(groups / (groups - 1) * float(residuals @ residuals)) / n
        assert error == pytest.approx((expected, groups - 1), rel=CLOSE)
        if case % 25 == 0:
            model = OLS(values, np.ones(n))
            fit = model.fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
            assert error.standard_error == pytest.approx(
                fit.bse[0] * math.sqrt(groups / (groups - 1)), rel=CLOSE
            )


def test_clusters_of_one_item_change_no_error(chance: random.Random) -> None:
    values = [chance.random() for _ in range(50)]

    assert clustered_error(values, range(50)) == pytest.approx(mean_error(values), rel=1e-12)


def test_values_that_are_alike_may_be_counted(chance: random.Random) -> None:
    counts = [chance.randint(1, 9) for _ in range(20)]
    values = [chance.random() for _ in counts]
    each = [value for value, count in zip(values, counts, strict=True) for _ in range(count)]

    assert mean_error(values, counts) == pytest.approx(mean_error(each), rel=1e-12)


def test_a_difference_with_clusters_is_tested_on_clusters(chance: random.Random) -> None:
    """By t with as many degrees of freedom as clusters, less one; no narrower than for that many answers."""
    for _ in range(500):
        n = chance.randint(4, 60)
        pairs = [Paired(1, chance.randint(0, 1), 2, chance.randint(0, 2)) for _ in range(n)]
        clusters = [chance.randrange(4) for _ in range(n)]
        groups = len(set(clusters))
        if groups == 1:
            continue

        found = difference(pairs, clusters)

        error = clustered_error([pair.delta for pair in pairs], clusters)
        if error.standard_error > 0:
            expected = stats.t.cdf(found.delta / error.standard_error, groups - 1)
            assert found.tails.lower == pytest.approx(expected, rel=CLOSE, abs=1e-12)
        low, high = found.interval()
        assert low == -1 or high == 1 or high - low >= 2 * least_reach(groups, 0.95) - 1e-12
    assert difference([Paired(1, 1, 1, 1)] * 9, [0, 1, 2] * 3).interval().low == pytest.approx(
        -least_reach(3, 0.95)
    )


@pytest.mark.parametrize(("ours", "method"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_p_values_of_several_tests(
    ours: Callable[[Sequence[float]], list[float]],
    method: str,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gc.collect", int)  # the referee collects garbage in each call: minutes in all
    for _ in range(CASES):
        p_values = [chance.choice([0.0, 0.5, 1.0, chance.random(), chance.random() ** 4]) for _ in range(6)]
        p_values = p_values[: chance.randint(1, 6)]

        np.testing.assert_allclose(ours(p_values), multipletests(p_values, method=method)[1], rtol=CLOSE)
    assert ours([]) == []


def test_with_one_answer_a_side_it_is_statsmodels_exact_mcnemar(chance: random.Random) -> None:
    """Two-sided there: twice the smaller tail."""
    for _ in range(CASES):
        lost, won, both = (chance.randint(0, 30) for _ in range(3))
        pairs = [Paired(1, 0, 1, 1)] * lost + [Paired(1, 1, 1, 0)] * won + [Paired(1, 1, 1, 1)] * (both + 1)

        tails = difference(pairs).tails

        expected = mcnemar([[both, lost], [won, 0]], exact=True).pvalue
        assert min(1.0, 2 * min(tails.lower, tails.upper)) == pytest.approx(expected, rel=CLOSE)


def test_published_standard_errors_are_reproduced() -> None:
    """Win rates and their errors, in percent, of seven leaderboards in the package alpaca-eval 0.6.6."""
    rows = list(csv.DictReader(PUBLISHED.read_text("utf-8").splitlines()))
    assert len(rows) == 73
    for row in rows:
        wins, draws, total = (int(row[name]) for name in ("n_wins", "n_draws", "n_total"))
        counts = [wins, draws, total - wins - draws]

        error = mean_error([1.0, 0.5, 0.0], counts)

        assert 100 * (wins + draws / 2) / total == pytest.approx(float(row["win_rate"]), abs=1e-12)
        assert 100 * error.standard_error == pytest.approx(float(row["standard_error"]), abs=1e-12)


def test_the_detectable_effect_is_found_in_8_of_10(chance: random.Random) -> None:
    items = np.array([chance.randint(2, 5_000) for _ in range(CASES)])
    deviation = np.array([chance.uniform(0.01, 1) for _ in range(CASES)])
    alpha = np.array([chance.choice([0.05, 1 / 90, chance.uniform(0.001, 0.2)]) for _ in range(CASES)])

    errors = deviation / np.sqrt(items)
    effects = np.array([detectable_effect(*case) for case in zip(errors, alpha, strict=True)])

    power = normal_power(effects / deviation, items, alpha, alternative="larger")
    np.testing.assert_allclose(power, 0.8, rtol=CLOSE)


@pytest.mark.parametrize(
    ("variance", "items"), [(1 / 9, 969), (1 / 9 + 2 / 6, 3_876), (1 / 9 + 2 / 60, 1_260)]
)
def test_published_sample_sizes_see_three_points(variance: float, items: int) -> None:
    """The worked example of Miller (2024): 3 points at 5 % two-sided; one answer a side, or ten."""
    assert detectable_effect(math.sqrt(variance / items), 0.025) == pytest.approx(0.03, abs=1e-5)


def test_more_of_anything_sees_smaller_drops() -> None:
    usual = detectable_drop(items=200, epochs=3, nights=14, p=0.8, alpha=ALPHA)

    assert usual == pytest.approx(3.1283 * math.sqrt(0.16 / 3 * (1 + 1 / 14) / 200), rel=1e-3)
    assert detectable_drop(items=400, epochs=3, nights=14, p=0.8, alpha=ALPHA) < usual
    assert detectable_drop(items=200, epochs=6, nights=14, p=0.8, alpha=ALPHA) < usual
    assert detectable_drop(items=200, epochs=3, nights=3, p=0.8, alpha=ALPHA) > usual
    assert detectable_drop(items=200, epochs=3, nights=14, p=0.8, alpha=1 / 20) < usual


def test_a_suite_that_is_always_right_sees_no_smaller_drop_than_chance_allows() -> None:
    assert 1 / 30 < detectable_drop(items=30, epochs=1, nights=14, p=1.0, alpha=ALPHA) < 0.2
    assert detectable_drop(items=1, epochs=1, nights=1, p=0.5, alpha=ALPHA) == 1.0
    always = [(14, 14, 14)] * 30
    assert detectable_from_scores(always, 1, alpha=ALPHA) == pytest.approx(
        detectable_drop(items=30, epochs=1, nights=14, p=1.0, alpha=ALPHA)
    )


@pytest.mark.parametrize("df", [4, 11, 39, 400])
def test_the_detectable_effect_by_t_is_found_in_8_of_10(df: int) -> None:
    """Clusters are tested by t. The referee knows the noncentral t; few clusters cost what it says."""
    effect = detectable_effect(1 / math.sqrt(df + 1), ALPHA, df)

    power = TTestPower().power(effect, df + 1, ALPHA, alternative="larger")
    assert power == pytest.approx(0.8, abs=0.03)
    assert effect > detectable_effect(1 / math.sqrt(df + 1), ALPHA)


def test_one_cluster_finds_no_drop() -> None:
    assert detectable_effect(0.01, ALPHA, 0) == math.inf
    assert detectable_drop(items=9, epochs=1, nights=14, p=0.8, alpha=ALPHA, design=9, df=0) == 1.0


def test_items_that_move_as_one_see_what_the_design_effect_says() -> None:
    """Clusters of unequal size in which each item has the score of all: the scatter of the mean tells."""
    assert design_effect([1] * 7) == 1
    assert design_effect([5] * 7) == 5
    sizes = [1, 2, 3, 10, 4]
    scores = np.random.default_rng(7).normal(0, 1, (200_000, len(sizes)))
    spread = (scores @ sizes / sum(sizes)).var() * sum(sizes)
    assert spread == pytest.approx(design_effect(sizes), rel=0.02)
    drop, together = (
        detectable_drop(items=200, epochs=3, nights=14, p=0.8, alpha=ALPHA, design=design, df=39)
        for design in (1.0, 5.0)
    )
    assert together == pytest.approx(drop * math.sqrt(5))


def test_the_scatter_within_items_is_what_counts(chance: random.Random) -> None:
    """Items that are always right or always wrong hide no drop; noise of nights hides some."""
    sure, unsure = [(42, 42, 42)] * 100 + [(42, 0, 0)] * 100, [(42, 21, 21)] * 200

    assert detectable_from_scores(sure, 3, alpha=ALPHA) < detectable_from_scores(unsure, 3, alpha=ALPHA) / 3
    assert detectable_from_scores(unsure, 3, alpha=ALPHA) == pytest.approx(
        detectable_drop(items=200, epochs=3, nights=14, p=0.5, alpha=ALPHA), rel=0.02
    )
    assert detectable_from_scores(unsure, 3, alpha=ALPHA, noise=4.0) == pytest.approx(
        2 * detectable_from_scores(unsure, 3, alpha=ALPHA)
    )
    graded = [[chance.random() for _ in range(10)] for _ in range(50)]
    sums = [(10, sum(each), sum(one * one for one in each)) for each in graded]
    variance = np.mean([np.var(each, ddof=1) for each in graded]) * (1 + 1 / 10)
    assert detectable_from_scores(sums, 1, alpha=ALPHA) == pytest.approx(
        detectable_effect(math.sqrt(variance / 50), ALPHA)
    )


def test_equal_scores_between_0_and_1_are_no_change() -> None:
    """Sums that differ in the last digit are no certain drop; the same drop of every item is one."""
    tenths = [0.1, 0.2, 0.7] * 14
    same = [Paired(3, 0.1 + 0.2 + 0.7, 42, sum(tenths))] * 20
    lower = [Paired(1, 0.5, 1, 0.6)] * 20

    assert difference(same).tails == (1.0, 1.0, 0.0)
    assert difference(lower).tails == (0.0, 1.0, -38.0)
