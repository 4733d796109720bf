"""The gate holds what it promises: few false alarms, drops are seen, and intervals cover."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

import pytest

from runner.rules.evaluation.night_gate import POOL_LEAST, POOL_MOST, Verdict, night_noise, no_drop
from runner.rules.statistics.comparison import Paired, difference

ALPHA: Final = 1 / 90
NIGHTS: Final = 90
QUICK, LONG = 20, 1_000  # histories
SHIFT: Final = 0.016  # of a night's rates, where the service has noise of its own
DROP: Final = 0.05


@dataclass
class History:
    """Nights of one suite; the noise of a night, where there is some, is that of both measurements."""

    rates: list[float]
    epochs: int
    shift: float
    chance: random.Random
    pool: deque[list[int]] = field(default_factory=deque)
    past_z: list[float] = field(default_factory=list)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    covered: int = 0

    def night(self, drop: float = 0.0) -> Verdict:
        """Measure a night, judge it by the gate, and put it into the pool unless it has regressed."""
        noise = self.chance.gauss(0, self.shift) if self.shift else 0.0
        first = self._measured(noise - drop)
        sums = [sum(night[item] for night in self.pool) for item in range(len(self.rates))]
        verdict = Verdict.NO_BASELINE
        if len(self.pool) >= POOL_LEAST:
            verdict = self._judge(first, sums, noise - drop)
        if verdict is not Verdict.REGRESSED:
            self.pool.append(first)
            if len(self.pool) > POOL_MOST:
                self.pool.popleft()
        self.verdicts[verdict] += 1
        return verdict

    def _judge(self, first: list[int], sums: list[int], change: float) -> Verdict:
        nights = len(self.pool)
        pairs = self._pairs(first, 1, sums)
        outcome = no_drop(pairs, None, self.past_z, pool_nights=nights, alpha=ALPHA)
        if outcome.verdict is Verdict.MEASURE_AGAIN:
            both = [one + other for one, other in zip(first, self._measured(change), strict=True)]
            outcome = no_drop(pairs, self._pairs(both, 2, sums), self.past_z, pool_nights=nights, alpha=ALPHA)
        assert outcome.difference is not None
        low, high = outcome.difference.interval()
        self.covered += low <= 0 <= high
        self.past_z.append(difference(pairs).tails.z)
        return outcome.verdict

    def _measured(self, change: float) -> list[int]:
        return [sum(self.chance.random() < rate + change for _ in range(self.epochs)) for rate in self.rates]

    def _pairs(self, successes: list[int], times: int, sums: list[int]) -> list[Paired]:
        answers, base = self.epochs * times, self.epochs * len(self.pool)
        return [Paired(answers, ours, base, theirs) for ours, theirs in zip(successes, sums, strict=True)]


def rates_of(mix: str, items: int, chance: random.Random) -> list[float]:
    """Return how often each item is answered rightly: a hard suite, an easy one, or a mixed one."""
    if mix != "mixed":
        return [0.03 if mix == "hard" else 0.98] * items
    kinds = [(0.6, 0.98), (0.75, 0.03)]
    draws = [chance.random() for _ in range(items)]
    return [next((rate for bound, rate in kinds if draw < bound), chance.random()) for draw in draws]


def histories(mix: str, items: int, epochs: int, shift: float, count: int) -> list[History]:
    """Return histories that have not begun, each with items and a chance of its own."""
    found = []
    for number in range(count):
        chance = random.Random(f"{mix} {items} {epochs} {shift} {number}")
        found.append(History(rates_of(mix, items, chance), epochs, shift, chance))
    return found


@pytest.mark.parametrize("shift", [0.0, SHIFT])
@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("items", [30, 200])
@pytest.mark.parametrize("mix", ["hard", "easy", "mixed"])
@pytest.mark.parametrize("count", [QUICK, pytest.param(LONG, marks=pytest.mark.soak)])
def test_unchanged_nights_rarely_alarm(mix: str, items: int, epochs: int, shift: float, count: int) -> None:
    """At a target of one in 90 nights: 1.5 alarms a history at most, 2 where nights have noise; 92.5 % cover.

    With few histories the bound leaves room for chance: three standard errors of a mean of Poisson numbers.
    """
    alarms = covered = judged = 0
    for history in histories(mix, items, epochs, shift, count):
        for _ in range(NIGHTS):
            history.night()
        alarms += history.verdicts[Verdict.REGRESSED]
        covered += history.covered
        judged += NIGHTS - POOL_LEAST

    bound = 2.0 if shift else 1.5
    assert alarms / count <= bound + (3 * (bound / count) ** 0.5 if count == QUICK else 0)
    assert covered / judged >= 0.925


@pytest.mark.parametrize("count", [QUICK, pytest.param(LONG, marks=pytest.mark.soak)])
def test_a_drop_of_five_points_is_seen(count: int) -> None:
    """By 200 mixed items with 3 epochs: in the first night in 85 %, within three nights in 97 %."""
    first = within = judged = 0
    for history in histories("mixed", 200, 3, 0.0, count):
        for _ in range(30):
            history.night()
        if history.verdicts[Verdict.REGRESSED]:
            continue  # alarmed without a drop
        judged += 1
        verdicts = [history.night(DROP) for _ in range(3)]
        first += verdicts[0] is Verdict.REGRESSED
        within += Verdict.REGRESSED in verdicts

    assert judged > count / 2
    assert first / judged >= 0.85
    assert within / judged >= 0.97


def test_a_rise_is_an_improvement() -> None:
    base = [Paired(3, 3, 42, 21)] * 40

    assert no_drop(base, None, [], pool_nights=14, alpha=ALPHA).verdict is Verdict.IMPROVED


def test_few_nights_are_no_baseline_and_some_more_are_provisional() -> None:
    pairs = [Paired(1, 1, 3, 3)] * 5

    assert no_drop(pairs, None, [], pool_nights=2, alpha=ALPHA).verdict is Verdict.NO_BASELINE
    assert no_drop([], None, [], pool_nights=9, alpha=ALPHA).verdict is Verdict.NO_BASELINE
    assert no_drop(pairs, None, [], pool_nights=6, alpha=ALPHA).is_provisional
    assert not no_drop(pairs, None, [], pool_nights=7, alpha=ALPHA).is_provisional


def test_noise_is_never_less_than_none_and_bad_nights_count_most() -> None:
    assert night_noise([]).variance == 1
    assert night_noise([0.1] * 50).variance == 1
    assert night_noise([3.0, -3.0] * 10).variance == pytest.approx((9 * 20 + 4) / 24)
    assert night_noise([-4.0, 0.5, 0.5]).variance == pytest.approx((2 * 16 + 4) / 7)
