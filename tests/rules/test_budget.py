"""What a budget allows: reserves from what answers taught, jobs as long as they fit, dollars read exactly."""

from __future__ import annotations

import math
import random
from datetime import date
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.budget import (
    SCOUTS,
    Account,
    Costs,
    Pricing,
    parse_usd,
    reserve_ticks,
    typical_ticks,
    used_ticks,
)
from runner.rules.prices import own_prices

MODEL: Final = "grok-4.3"
PRICING: Final = Pricing(at=date(2026, 11, 1))
TICKS: Final = st.integers(1, 10**12)


def taught(ratios: list[float], typical: int = 10**7) -> Costs:
    """Learn from answers that cost these multiples of a typical one."""
    costs = Costs()
    for ratio in ratios:
        costs = costs.update(typical, round(typical * ratio))
    return costs


@pytest.mark.parametrize(
    ("prompt", "most", "ticks"),
    [
        # grok-4.3: 12,500 ticks a prompt token, 25,000 an output token; prompt x 2 + 1,000, output + 2,000
        (100, None, 1_200 * 12_500 + 6_000 * 25_000),
        (100, 100, 1_200 * 12_500 + 2_100 * 25_000),
        (100, 50_000, 1_200 * 12_500 + 52_000 * 25_000),
        (0, None, 1_000 * 12_500 + 6_000 * 25_000),
    ],
)
def test_before_anything_is_learnt_a_long_answer_is_reserved(
    prompt: int, most: int | None, ticks: int
) -> None:
    """Cautious on purpose: only scouts go by it."""
    assert reserve_ticks(PRICING, MODEL, prompt, most, Costs()) == ticks
    assert reserve_ticks(PRICING, MODEL, prompt, most, taught([1.0] * (SCOUTS - 1))) == ticks


def test_answers_that_are_alike_reserve_a_little_more_than_they_cost() -> None:
    """Chance may make the first ones alike, so the spread is never taken as nothing."""
    typical = typical_ticks(PRICING, MODEL, 1_000, None)
    reserve = reserve_ticks(PRICING, MODEL, 1_000, None, taught([0.5] * 100))

    assert reserve is not None
    assert 0.5 < reserve / typical < 0.65


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.5])
@pytest.mark.parametrize(("answers", "share_max"), [(SCOUTS, 0.10), (20, 0.08), (200, 0.07)])
def test_about_one_in_twenty_costs_more_than_its_reserve(
    sigma: float, answers: int, share_max: float
) -> None:
    """Of lognormal costs, over many small histories; few answers make the reserve larger, not bolder."""
    chance = random.Random(7)
    over = total = 0
    for _ in range(300):
        high = taught([chance.lognormvariate(-1, sigma) for _ in range(answers)]).high_ratio
        over += sum(chance.lognormvariate(-1, sigma) > high for _ in range(20))
        total += 20

    assert 0.02 < over / total < share_max


@given(ratios=st.lists(st.floats(0.001, 1000), min_size=SCOUTS, max_size=120))
def test_a_learnt_reserve_is_a_sane_amount(ratios: list[float]) -> None:
    """Whatever comes: above the mean of what was seen last, finite, and of whole ticks."""
    costs = taught(ratios)
    reserve = reserve_ticks(PRICING, MODEL, 10, None, costs)

    assert costs.is_learnt
    assert isinstance(reserve, int)
    assert math.exp(costs.log_sum / costs.weight) < costs.high_ratio < math.inf
    assert reserve > 0


def test_what_costs_nothing_or_has_no_price_teaches_nothing() -> None:
    """A logarithm needs a number above 0; one strange answer must not spoil the rest."""
    assert Costs().update(0, 5) == Costs().update(5, 0) == Costs()
    strange = taught([1e-9, 1e9], typical=10**10)
    assert strange.log_sum == pytest.approx(-math.log(1e6) * 0.98 + math.log(1e6), abs=1e-3)


def test_a_model_without_a_price_has_no_reserve() -> None:
    """None, not 0; the user's own prices make it known, and the host's surcharge counts."""
    own = own_prices({"mine": {"input": 1, "output": 2}})

    assert reserve_ticks(PRICING, "mine", 100, None, Costs()) is None
    assert reserve_ticks(PRICING, "mine", 100, None, taught([1.0] * 20)) is None
    known = reserve_ticks(Pricing(at=PRICING.at, own_prices=own), "mine", 100, None, Costs())
    assert known == 1_200 * 10_000 + 6_000 * 20_000
    dear = Pricing(at=PRICING.at, own_prices=own, base_host="us.api.x.ai")
    assert reserve_ticks(dear, "mine", 100, None, Costs()) == known * 11 // 10


@given(
    budget=TICKS, used=TICKS, reserved=TICKS, out=st.integers(0, 20),
    wanted=st.lists(TICKS, max_size=30), out_max=st.none() | st.integers(0, 20),
)  # fmt: skip
def test_as_many_as_fit_and_not_one_more(
    budget: int, used: int, reserved: int, out: int, wanted: list[int], out_max: int | None
) -> None:
    """With those let go the budget holds; with the next it would not, or too many scouts were out."""
    account = Account(budget_ticks=budget, used_ticks=used, reserved_ticks=reserved, out=out)
    count = account.fitting(wanted, None if out_max is None else out_max - out)

    assert count == 0 or used + reserved + sum(wanted[:count]) <= budget
    assert out_max is None or count == 0 or out + count <= out_max
    if count < len(wanted):
        too_dear = used + reserved + sum(wanted[: count + 1]) > budget
        assert too_dear or (out_max is not None and out + count + 1 > out_max)


def test_what_may_have_been_paid_counts() -> None:
    """Reported, estimated, possible and unpriced ticks count; what is reserved counts apart."""
    counts = {"reported": 1, "estimated": 2, "possible_extra": 4, "unpriced": 8, "reserved": 16}

    assert used_ticks(counts) == 15


@pytest.mark.parametrize(
    ("word", "ticks"),
    [
        ("20", 20 * 10**10),
        ("$1,250", 1_250 * 10**10),
        (" 0.75 ", 75 * 10**8),
        ("0.0000000001", 1),
        ("1e2", 10**12),
        ("100000000", 10**18),
    ],
)
def test_dollars_are_read_exactly(word: str, ticks: int) -> None:
    """No float in between: 0.29 is 0.29."""
    assert parse_usd(word) == ticks
    assert parse_usd("0.29") == 2_900_000_000


@pytest.mark.parametrize(
    "word", ["", "0", "-1", "nan", "inf", "-Infinity", "ten", "0.00000000001", "100000001", "20 EUR", "0x10"]
)
def test_nonsense_is_no_budget(word: str) -> None:
    """Nothing is guessed where money is meant."""
    assert parse_usd(word) is None
