"""The formulas equal those of scipy: each on many random cases, to 1e-9."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from runner.rules.statistics import student_t
from runner.rules.statistics.comparison import Paired, difference, strata_of
from runner.rules.statistics.intervals import MeanError, mean_error, t_reach
from runner.rules.statistics.stratified_test import exact_tails

if TYPE_CHECKING:
    from runner.rules.statistics.stratified_test import Stratum

CASES = 10_000
CLOSE = 1e-9


@pytest.fixture
def chance() -> random.Random:
    return random.Random(20_261_130)


def test_the_tails_of_t(chance: random.Random) -> None:
    t = np.array([chance.choice([-1, 1]) * 10 ** chance.uniform(-4, 1.5) for _ in range(CASES)])
    df = np.array([chance.choice([chance.randint(1, 40), 10 ** chance.uniform(0, 6)]) for _ in range(CASES)])

    ours = [student_t.two_sided_p(*case) for case in zip(t, df, strict=True)]
    below = [student_t.below(*case) for case in zip(t, df, strict=True)]

    np.testing.assert_allclose(ours, 2 * stats.t.sf(abs(t), df), rtol=CLOSE, atol=1e-30)
    np.testing.assert_allclose(below, stats.t.cdf(t, df), rtol=CLOSE, atol=1e-30)


def test_the_quantiles_of_t(chance: random.Random) -> None:
    p = np.array([chance.choice([chance.random(), 10 ** chance.uniform(-8, -1)]) for _ in range(CASES)])
    df = np.array([chance.choice([chance.randint(1, 40), 10 ** chance.uniform(0, 6)]) for _ in range(CASES)])

    ours = [student_t.quantile(*case) for case in zip(p, df, strict=True)]

    np.testing.assert_allclose(ours, stats.t.ppf(p, df), rtol=CLOSE, atol=CLOSE)


def test_the_standard_error_and_its_interval(chance: random.Random) -> None:
    for _ in range(CASES // 10):
        values = [chance.random() for _ in range(chance.randint(2, 60))]
        error = mean_error(values)

        assert error.standard_error == pytest.approx(stats.sem(values), rel=CLOSE)
        low, high = stats.t.interval(0.95, error.df, 0, error.standard_error)
        assert t_reach(error, 0.95) == pytest.approx(high, rel=CLOSE) == pytest.approx(-low, rel=CLOSE)


def test_the_difference_of_scores_is_that_of_the_paired_t_test(chance: random.Random) -> None:
    for _ in range(CASES // 20):
        sides = [[chance.random() for _ in range(chance.randint(2, 50))]]
        sides.append([chance.random() for _ in sides[0]])
        pairs = [Paired(1, ours, 1, theirs) for ours, theirs in zip(*sides, strict=True)]

        found = difference(pairs)

        referee = stats.ttest_rel(*sides, alternative="less")
        assert found.tails.lower == pytest.approx(referee.pvalue, rel=CLOSE, abs=1e-15)
        assert found.tails.z == pytest.approx(referee.statistic, rel=CLOSE)


def test_the_exact_test_is_the_convolution_of_hypergeometric_numbers(chance: random.Random) -> None:
    """The referee convolves the probabilities of all items, one after another."""
    for _ in range(300):
        pairs = _binary_pairs(chance, chance.randint(1, 150), chance.randint(1, 4), chance.randint(1, 45))
        strata, seen = strata_of(Counter(pairs))

        tails = exact_tails(strata, seen)

        least, probabilities = _convolved(strata)
        assert tails.lower == pytest.approx(probabilities[: seen - least + 1].sum(), abs=1e-12)
        assert tails.upper == pytest.approx(probabilities[seen - least :].sum(), abs=1e-12)


def test_with_one_answer_a_side_it_is_mcnemars_test(chance: random.Random) -> None:
    for _ in range(CASES // 20):
        pairs = _binary_pairs(chance, chance.randint(1, 200), 1, 1)
        won = sum(pair.delta > 0 for pair in pairs)
        lost = sum(pair.delta < 0 for pair in pairs)

        tails = difference(pairs).tails

        expected = stats.binomtest(won, won + lost, alternative="less").pvalue if won + lost else 1.0
        assert tails.lower == pytest.approx(expected, abs=1e-12)


def test_a_long_sum_is_cut_where_nothing_is_left(chance: random.Random) -> None:
    """10,000 items with 8 answers a side have 80,001 sums; the middle of them is enough."""
    pairs = _binary_pairs(chance, 10_000, 8, 8)
    strata, seen = strata_of(Counter(pairs))
    mean = sum(stratum.mean * n for stratum, n in strata.items())
    deviation = math.sqrt(sum(stratum.variance * n for stratum, n in strata.items()))

    for shift in (-3, -1, 0, 2):
        found = exact_tails(strata, round(mean + shift * deviation))
        expected = stats.norm.cdf((round(mean + shift * deviation) + 0.5 - mean) / deviation)
        assert found.lower == pytest.approx(expected, rel=0.02)
    assert exact_tails(strata, 0).lower == 0
    assert 0 < exact_tails(strata, seen).lower < 1


def test_one_item_says_nothing_of_others() -> None:
    assert mean_error([0.5]) == MeanError(math.inf, 0)
    assert difference([Paired(1, 0.25, 1, 0.75)]).tails.lower == 1
    assert difference([Paired(3, 0, 3, 3)]).interval() == (-1, 1)


def _binary_pairs(chance: random.Random, items: int, answers: int, base_answers: int) -> list[Paired]:
    pairs = []
    for _ in range(items):
        rate = chance.choice([0.03, 0.98, chance.random()])
        ours, theirs = (max(1, n - chance.randint(0, 1)) for n in (answers, base_answers))
        sums = [sum(chance.random() < rate for _ in range(n)) for n in (ours, theirs)]
        pairs.append(Paired(ours, sums[0], theirs, sums[1]))
    return pairs


def _convolved(strata: dict[Stratum, int]) -> tuple[int, np.ndarray]:
    """Return the least sum, and the probability of each from it on."""
    least, found = 0, np.array([1.0])
    for stratum, count in strata.items():
        night, pool, successes = stratum
        values = np.arange(stratum.least, stratum.most + 1)
        one = stats.hypergeom.pmf(values, night + pool, successes, night)
        for _ in range(count):
            least, found = least + stratum.least, np.convolve(found, one)
    return least, found
