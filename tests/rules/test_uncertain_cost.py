"""What an unread answer probably cost, and at most: learnt from the run's counters, capped, floored."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine.runs import cost_bounds
from runner.engine.runs.cost_bounds import PriceBasis
from runner.rules.costs.budget import used_ticks
from runner.rules.costs.uncertain_cost import (
    UncertainCost,
    can_be_restated,
    combined,
    learnt_costs,
    learnt_models,
    restated,
    with_reserved_floor,
)
from runner.rules.requests import output_estimate

NOW_MS: Final = 1_795_000_000_000
MODEL: Final = "grok-4.3"
EACH: Final = 12_000_000  # ticks: $0.0012


def counts(answers: int, *, each: int = EACH, dearest: int | None = None) -> dict[tuple[str, str], int]:
    """Return the counters of a run with so many answers of MODEL, each of 100 output tokens."""
    return {
        ("output", output_estimate.counter_key(MODEL, 100)): answers,
        ("model_ticks", MODEL): answers * each,
        ("dearest", MODEL): dearest or each,
    }


def unread(answers: int, prompt_tokens: int = 50, model: str = MODEL, **of: int) -> UncertainCost | None:
    """Return the uncertain cost of a job after so many answers."""
    basis = PriceBasis(counts=counts(answers, **of))
    return cost_bounds.uncertain_cost(model, prompt_tokens, None, NOW_MS, basis)


def test_from_twenty_answers_on_the_bound_is_the_dearest_with_a_margin() -> None:
    """Before that it is the price of a long answer."""
    capped, learnt = unread(19, dearest=2 * EACH), unread(20, dearest=2 * EACH)

    assert capped is not None
    assert (capped.probable_ticks, capped.is_learnt) == (EACH, False)
    assert capped.possible_ticks > 9 * EACH
    assert learnt == UncertainCost(EACH, 5 * EACH // 2, is_learnt=True)


def test_the_first_answer_is_a_mean_already_and_none_is_an_estimate() -> None:
    """The estimate is that of a likely answer, far below the bound."""
    one, none = unread(1), unread(0)

    assert one is not None
    assert one.probable_ticks == EACH
    assert none is not None
    assert none.probable_ticks == cost_bounds.likely_ticks(MODEL, 50, None, NOW_MS, PriceBasis())
    assert 0 < none.probable_ticks < none.possible_ticks // 5


def test_twenty_eight_lost_answers_read_as_cents() -> None:
    """The bound of an early one is lowered to that of a late one when the costs are learnt."""
    cost = unread(500)
    assert cost is not None
    assert 28 * cost.probable_ticks == 336_000_000  # $0.0336
    assert 28 * cost.possible_ticks == 420_000_000


def test_a_long_prompt_costs_at_least_its_price() -> None:
    """What short prompts cost says nothing of a long one."""
    cost = unread(100, prompt_tokens=150_000)

    assert cost is not None
    assert cost.possible_ticks >= 150_000 * 12_500


def test_cached_prompts_of_others_say_nothing_of_one_that_was_not() -> None:
    """The hidden 700 tokens of a prompt are nearly always cached: once in a while all are paid in full."""
    cost = unread(100, each=4_000_000)

    assert cost is not None
    assert cost.possible_ticks >= (50 + 700) * 12_500 + 125 * 25_000
    assert cost.probable_ticks == 4_000_000


def test_one_very_dear_answer_does_not_lift_the_cap() -> None:
    """The smaller bound holds: another answer's long prompt is not this one's."""
    capped, cost = unread(19), unread(40, dearest=10**12)

    assert capped is not None
    assert cost is not None
    assert cost.possible_ticks <= capped.possible_ticks < 10**12


def test_answers_of_the_successor_teach_what_a_retired_name_costs() -> None:
    """A retired name is answered, and counted, under the model that serves it."""
    cost = unread(30, model="grok-4")
    assert cost == UncertainCost(EACH, 15_000_000, is_learnt=True)


def test_a_model_without_a_price_is_learnt_or_unknown() -> None:
    """No number is invented; but what the API reported is known."""
    assert cost_bounds.uncertain_cost("no-such", 50, None, NOW_MS, PriceBasis()) is None
    reported = {
        ("output", output_estimate.counter_key("no-such", 9)): 25,
        ("model_ticks", "no-such"): 25 * EACH,
        ("dearest", "no-such"): EACH,
    }
    cost = cost_bounds.uncertain_cost("no-such", 50, None, NOW_MS, PriceBasis(counts=reported))
    assert cost == UncertainCost(EACH, 15_000_000, is_learnt=True)


def test_what_a_refusal_hides_is_probable_and_no_budget_pays_for_it() -> None:
    """Which refusals may hide a paid answer is said by the table of replies."""
    basis = PriceBasis(counts=counts(5))
    assert cost_bounds.hidden_cost(MODEL, 50, None, NOW_MS, basis) == UncertainCost(EACH, 0)
    assert used_ticks({"probable_extra": 5, "probable_unavailable": 5, "possible_extra": 3}) == 3


def test_a_fee_is_possible_and_not_probable() -> None:
    """It is documented for another API."""
    assert cost_bounds.refusal_cost("safety") == UncertainCost(0, cost_bounds.SAFETY_FEE_TICKS)
    assert cost_bounds.refusal_cost("bad-request") == UncertainCost(0, 0)


@pytest.mark.parametrize(
    ("cost", "reserved", "floored"),
    [
        (None, 90, None),
        (UncertainCost(5, 10), None, UncertainCost(5, 10)),
        (UncertainCost(5, 10), 90, UncertainCost(5, 90)),
        (UncertainCost(5, 100), 90, UncertainCost(5, 100)),
        (UncertainCost(5, 10, is_learnt=True), 90, UncertainCost(5, 10, is_learnt=True)),
    ],
)
def test_a_reservation_is_the_floor_of_what_is_not_learnt(
    cost: UncertainCost | None, reserved: int | None, floored: UncertainCost | None
) -> None:
    """An unknown bill frees no budget; a learnt bound knows more than the reservation did."""
    assert with_reserved_floor(cost, reserved) == floored


@pytest.mark.parametrize(
    ("old", "learnt", "new"),
    [
        (UncertainCost(30, 90), UncertainCost(40, 50, is_learnt=True), UncertainCost(40, 50)),
        (UncertainCost(30, 90), UncertainCost(40, 90, is_learnt=True), UncertainCost(30, 90)),
        (UncertainCost(30, 90), UncertainCost(40, 95, is_learnt=True), UncertainCost(30, 90)),
        (UncertainCost(30, 90), UncertainCost(40, 50), UncertainCost(30, 90)),
        (UncertainCost(30, 90), None, UncertainCost(30, 90)),
        (UncertainCost(30, 0), UncertainCost(40, 50, is_learnt=True), UncertainCost(40, 0)),
        (UncertainCost(30, 0), UncertainCost(40, 50), UncertainCost(30, 0)),
    ],
)
def test_a_learnt_bound_takes_the_place_of_a_higher_one(
    old: UncertainCost, learnt: UncertainCost | None, new: UncertainCost
) -> None:
    """What a 503 may hide keeps no bound."""
    assert restated(old, learnt) == new


@pytest.mark.parametrize(
    ("counted", "is_so"), [("answers", True), ("unavailable", True), ("refused_prompts", False)]
)
def test_what_a_run_may_restate(counted: str, is_so: bool) -> None:
    """Not the fee of a refused prompt: no answer of the model teaches that."""
    assert can_be_restated({("unread", counted): 1}) is is_so
    assert not can_be_restated({("unread", counted): 0})


_TICKS = st.none() | st.integers(0, 10**12)


@given(_TICKS, _TICKS, _TICKS)
def test_probable_is_never_above_possible(probable: int | None, cap: int | None, learnt: int | None) -> None:
    """Whatever is known of each."""
    cost = combined(probable, cap, learnt)
    assert (cost is None) == (cap is None and learnt is None)
    if cost is not None:
        assert 0 <= cost.probable_ticks <= cost.possible_ticks
        assert cost.possible_ticks in (cap, learnt)


def test_models_are_learnt_from_twenty_answers_on() -> None:
    """What was lost before is then counted again."""
    assert learnt_models(counts(19)) == frozenset()
    assert learnt_models(counts(20)) == {MODEL}
    assert learnt_costs({}, MODEL) is None
