"""Whose turn it is at the limits of the models, in one worker."""

from __future__ import annotations

import random
from collections import Counter

from runner.engine.sending.turns import Turns
from runner.limiter.slots import Grant

MORE, ALL = 0.2, None  # when to ask again; all slots were granted


def grant(cost: float, retry_after_s: float | None = MORE, *, is_own_limit: bool = False) -> Grant:
    return Grant(slots=[], retry_after_s=retry_after_s, is_own_limit=is_own_limit, cost=cost)


def play(turns: Turns, costs: dict[int, float], rounds: int, bucket: str = "b") -> Counter[int]:
    """Let runs request slots: the first that may takes what there is. Return how often each was served."""
    served: Counter[int] = Counter()
    for _ in range(rounds):
        for run in turns.begin_round(list(costs)):
            if turns.may_request(run, bucket):
                turns.record(run, bucket, grant(costs[run]))
                served[run] += 1
    return served


def test_runs_of_one_model_are_served_in_turn() -> None:
    """One in each round, where the first uses the bucket up."""
    assert play(Turns(random.Random(1)), {1: 1.0, 2: 1.0, 3: 1.0}, 30) == {1: 10, 2: 10, 3: 10}


def test_a_run_whose_slots_cost_more_is_served_less_often() -> None:
    """Both get the same part of the limit."""
    assert play(Turns(random.Random(1)), {1: 4.0, 2: 1.0}, 50) == {1: 10, 2: 40}


def test_what_a_run_waits_for_is_not_given_to_those_after_it() -> None:
    """Else short prompts would keep one with a long prompt from its tokens for ever."""
    turns = Turns(random.Random(1))
    first, second = turns.begin_round([1, 2])
    assert turns.may_request(first, "b")
    turns.record(first, "b", grant(0.0))
    assert not turns.may_request(second, "b")
    assert turns.may_request(second, "other")


def test_a_run_at_its_own_limit_keeps_no_other_waiting() -> None:
    """The slots are there for the others."""
    turns = Turns(random.Random(1))
    first, second = turns.begin_round([1, 2])
    turns.may_request(first, "b")
    turns.record(first, "b", grant(1.0, is_own_limit=True))
    assert turns.may_request(second, "b")


def test_workers_begin_with_different_runs() -> None:
    """Else all of them would serve the same run first, again and again."""
    firsts = {Turns(random.Random(seed)).begin_round([1, 2, 3])[0] for seed in range(20)}
    assert firsts == {1, 2, 3}


def test_a_run_that_had_nothing_to_send_does_not_make_up_for_it() -> None:
    """It goes on with the others, in equal turns."""
    turns = Turns(random.Random(1))
    play(turns, {1: 1.0, 2: 1.0}, 2)
    for _ in range(50):
        turns.begin_round([1, 2])
        turns.may_request(1, "b")
        turns.record(1, "b", grant(1.0, ALL))
        turns.leave_out(2)
    assert abs(play(turns, {1: 1.0, 2: 1.0}, 20)[1] - 10) <= 1
