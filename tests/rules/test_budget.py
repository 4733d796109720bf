"""Budget: reservations learnt from answers, as many attempts as fit, dollars parsed exactly."""

from __future__ import annotations

import math
import random
from datetime import date
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.costs.budget import (
    Account,
    Costs,
    DayPrices,
    parse_usd,
    reserve_ticks,
    typical_ticks,
    used_ticks,
)
from runner.rules.numbers import NumberError
from runner.rules.prices import parse_own_prices
from runner.rules.sending.probes import PROBES

MODEL: Final = "grok-4.3"
PRICING: Final = DayPrices(at=date(2026, 11, 1))
TICKS: Final = st.integers(1, 10**12)


def learnt(ratios: list[float], typical: int = 10**7) -> Costs:
    """Return costs learnt from answers with these ratios to a typical one."""
    costs = Costs()
    for ratio in ratios:
        costs = costs.update(typical, round(typical * ratio))
    return costs


@pytest.mark.parametrize(
    ("prompt", "output_max", "ticks"),
    [
        # grok-4.3: 12,500 ticks a prompt token, 25,000 an output token; prompt x 2 + 1,000, output + 2,000
        (100, None, 1_200 * 12_500 + 6_000 * 25_000),
        (100, 100, 1_200 * 12_500 + 2_100 * 25_000),
        (100, 50_000, 1_200 * 12_500 + 52_000 * 25_000),
        (0, None, 1_000 * 12_500 + 6_000 * 25_000),
    ],
)
def test_before_anything_is_learnt_a_long_answer_is_reserved(
    prompt: int, output_max: int | None, ticks: int
) -> None:
    """The reservation is high on purpose: it applies to the first few attempts of a model only."""
    assert reserve_ticks(PRICING, MODEL, prompt, output_max, Costs()) == ticks
    assert reserve_ticks(PRICING, MODEL, prompt, output_max, learnt([1.0] * (PROBES - 1))) == ticks


def test_answers_that_are_alike_reserve_a_little_more_than_they_cost() -> None:
    """The first answers may be alike by chance, so the spread is never taken as 0."""
    typical = typical_ticks(PRICING, MODEL, 1_000, None)
    reserve = reserve_ticks(PRICING, MODEL, 1_000, None, learnt([0.5] * 100))

    assert reserve is not None
    assert 0.5 < reserve / typical < 0.65


@pytest.mark.parametrize("sigma", [0.3, 0.8, 1.5])
@pytest.mark.parametrize(("answers", "share_max"), [(PROBES, 0.10), (20, 0.08), (200, 0.07)])
def test_about_one_in_twenty_costs_more_than_its_reserve(
    sigma: float, answers: int, share_max: float
) -> None:
    """Of lognormal costs, over many small histories; fewer answers make the reservation larger."""
    rng = random.Random(7)
    over = total = 0
    for _ in range(40):
        high = learnt([rng.lognormvariate(-1, sigma) for _ in range(answers)]).high_ratio
        over += sum(rng.lognormvariate(-1, sigma) > high for _ in range(20))
        total += 20

    assert 0.02 < over / total < share_max


@given(ratios=st.lists(st.floats(0.001, 1000), min_size=PROBES, max_size=120))
def test_a_learnt_reserve_is_a_sane_amount(ratios: list[float]) -> None:
    """For any costs it is above the mean of the latest ones, finite, and in whole ticks."""
    costs = learnt(ratios)
    reserve = reserve_ticks(PRICING, MODEL, 10, None, costs)

    assert costs.is_learnt
    assert isinstance(reserve, int)
    assert math.exp(costs.log_sum / costs.weight) < costs.high_ratio < math.inf
    assert reserve > 0


def test_an_answer_without_cost_or_price_changes_nothing() -> None:
    """A logarithm needs a number above 0; a single extreme answer has limited weight."""
    assert Costs().update(0, 5) == Costs().update(5, 0) == Costs()
    strange = learnt([1e-9, 1e9], typical=10**10)
    assert strange.log_sum == pytest.approx(-math.log(1e6) * 0.98 + math.log(1e6), abs=1e-3)


def test_a_model_without_a_price_has_no_reserve() -> None:
    """It is None, not 0; with the user's own prices it is known, and the host's surcharge counts."""
    own = parse_own_prices({"mine": {"input": 1, "output": 2}})

    assert reserve_ticks(PRICING, "mine", 100, None, Costs()) is None
    assert reserve_ticks(PRICING, "mine", 100, None, learnt([1.0] * 20)) is None
    known = reserve_ticks(DayPrices(at=PRICING.at, own_prices=own), "mine", 100, None, Costs())
    assert known == 1_200 * 10_000 + 6_000 * 20_000
    dear = DayPrices(at=PRICING.at, own_prices=own, base_host="us.api.x.ai")
    assert reserve_ticks(dear, "mine", 100, None, Costs()) == known * 11 // 10


@given(
    budget=TICKS, used=TICKS, reserved=TICKS, out=st.integers(0, 20),
    wanted=st.lists(TICKS, max_size=30), out_max=st.none() | st.integers(0, 20),
)  # fmt: skip
def test_as_many_as_fit_and_not_one_more(
    budget: int, used: int, reserved: int, out: int, wanted: list[int], out_max: int | None
) -> None:
    """Those that fit stay within the budget and the count; with the next one they would not."""
    account = Account(budget_ticks=budget, used_ticks=used, reserved_ticks=reserved, in_flight=out)
    count = account.count_fitting(wanted, None if out_max is None else out_max - out)

    assert count == 0 or used + reserved + sum(wanted[:count]) <= budget
    assert out_max is None or count == 0 or out + count <= out_max
    if count < len(wanted):
        over_budget = used + reserved + sum(wanted[: count + 1]) > budget
        assert over_budget or (out_max is not None and out + count + 1 > out_max)


def test_what_may_have_been_paid_counts() -> None:
    """Reported, estimated, possible and unpriced ticks count; reserved ticks are counted separately."""
    counts = {"reported": 1, "estimated": 2, "possible_extra": 4, "unpriced": 8, "reserved": 16}

    assert used_ticks(counts) == 15


@pytest.mark.parametrize(
    ("word", "ticks"),
    [
        ("20", 20 * 10**10),
        ("$1,250", 1_250 * 10**10),
        ("0.0000000001", 1),
        ("1,250.50", 12_505 * 10**9),
        ("100000000", 10**18),
    ],
)
def test_dollars_are_read_exactly(word: str, ticks: int) -> None:
    """There is no float in between: 0.29 is 0.29."""
    assert parse_usd(word) == ticks
    assert parse_usd("0.29") == 2_900_000_000


@pytest.mark.parametrize(
    "word",
    ["", "0", "-1", "nan", "inf", "-Infinity", "ten", "0.00000000001", "100000001", "20 EUR", "0x10", "1e2"],
)
def test_nonsense_is_no_budget(word: str) -> None:
    """An amount of money is never guessed."""
    with pytest.raises(NumberError):
        parse_usd(word)
