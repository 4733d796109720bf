"""Fair turns: what several runs are granted of one limit comes out equal."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.sending.fair_turns import FairTurns


def first(turns: FairTurns, *runs: int) -> int:
    return min(runs, key=turns.position)


@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=200), st.integers(2, 5))
def test_runs_are_served_equally(costs: list[float], runs: int) -> None:
    """However large the turns are: no two runs are further apart than the largest turn."""
    turns, served = FairTurns(), Counter[int](dict.fromkeys(range(runs), 0))
    for cost in costs:
        run = first(turns, *range(runs))
        turns.serve(run, cost)
        served[run] += cost  # type: ignore[assignment]
    assert max(served.values()) - min(served.values()) <= max(costs) + 1e-9


def test_a_run_that_used_less_has_no_claim_to_the_rest() -> None:
    """Else it would hold up the others when it can use more."""
    turns = FairTurns()
    for _ in range(100):
        turns.serve(1, 1.0)
        turns.serve(2, 0.1)
        turns.leave_out(2)
    assert turns.position(1) - turns.position(2) <= 1.0


def test_a_new_run_begins_with_the_run_whose_turn_it_is() -> None:
    """It neither waits for the turns of others nor takes them; one that was forgotten is new."""
    turns = FairTurns()
    for _ in range(50):
        turns.serve(first(turns, 1, 2), 1.0)
    assert abs(turns.position(3) - turns.position(1)) <= 1.0
    turns.serve(3, 40.0)
    turns.keep({1, 2})
    assert abs(turns.position(3) - turns.position(1)) <= 1.0
