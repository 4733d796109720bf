"""Polls are few and answers found soon, whatever the latency turns out to be."""

from __future__ import annotations

import heapq
import math
import random
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.polling import (
    EXPIRES_AFTER_S,
    LEARNT_AFTER,
    SCOUTS,
    WAIT_S_MIN,
    Latency,
    hold_s,
    last_asked_s,
    next_poll_s,
)

UNKNOWN = Latency()
UNITS = st.floats(0, 1, exclude_max=True)
AGES = st.floats(0, 90_000)


def learnt(median_s: float) -> Latency:
    return Latency(log_s=math.log(median_s), seen=100, results=100)


def ages(
    latency: Latency, *, scout: bool, until_s: float, unit: float = 0.5, charged: bool = False
) -> list[float]:
    """The ages at which a job that never gets ready is asked for."""
    found: list[float] = []
    age = next_poll_s(0.0, unit, latency=latency, scout=scout, charged=charged)
    while age <= until_s:
        found.append(round(age, 3))
        age += next_poll_s(age, unit, latency=latency, scout=scout, charged=charged)
    return found


def test_scouts_ask_at_once_and_then_ever_more_seldom() -> None:
    """0.1, 0.25, 0.5, 1, 2 s, then half as late again, at most 30 s apart."""
    assert ages(UNKNOWN, scout=True, until_s=7) == [0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.5, 6.75]
    late = ages(UNKNOWN, scout=True, until_s=500)
    assert late[-1] - late[-2] == pytest.approx(30)


def test_the_jobs_behind_the_scouts_ask_less() -> None:
    """Soon enough for an instant API, doubling for a slow one."""
    assert ages(UNKNOWN, scout=False, until_s=40) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_a_learnt_model_is_asked_by_its_median() -> None:
    """First at 0.75 of it, then every half; from four times on 1.3 times as long each, up to 300 s."""
    assert ages(learnt(20), scout=False, until_s=70) == [15, 25, 35, 45, 55, 65]
    tail = [85, 99.5, 118.35, 142.855, 174.712]
    assert ages(learnt(20), scout=True, until_s=180)[7:] == tail
    steps = ages(learnt(20), scout=False, until_s=4_000)
    assert max(b - a for a, b in pairwise(steps)) == pytest.approx(300)


@pytest.mark.parametrize("unit", [0.0, 0.3, 0.999])
def test_jitter_never_costs_a_poll(unit: float) -> None:
    """A poll brought forward by a tenth has passed its mark; it is not repeated a moment later."""
    assert len(ages(UNKNOWN, scout=True, until_s=2.2, unit=unit)) == 5
    first, second = ages(learnt(20), scout=False, until_s=30, unit=unit)[:2]
    assert second - first > 8.9


@given(AGES, UNITS, st.floats(1e-4, 1e5), st.booleans(), st.booleans())
def test_a_wait_is_never_too_short_and_never_beyond_the_edge(
    age: float, unit: float, median: float, known: bool, scout: bool
) -> None:
    """At least 0.05 s, at most what leaves a second chance before the result expires."""
    wait = next_poll_s(age, unit, latency=learnt(median) if known else UNKNOWN, scout=scout)
    left = EXPIRES_AFTER_S - age
    assert wait >= WAIT_S_MIN
    if left > 0:
        assert wait <= max(left * 0.55, WAIT_S_MIN)
    if age > 0.75 * median:
        assert wait <= 330


def test_charged_polls_are_few() -> None:
    """Each takes the slot of a job: first at one and a half medians, then every 1.2."""
    assert ages(learnt(20), scout=False, until_s=80, charged=True) == [30, 54, 78]
    assert ages(UNKNOWN, scout=True, until_s=2, charged=True) == ages(UNKNOWN, scout=True, until_s=2)


@given(AGES, st.floats(0.01, 1, exclude_max=True), st.floats(1e-4, 1e5), st.integers(0, 100), st.booleans())
def test_nobody_is_held_for_too_long(
    age: float, unit: float, expected: float, results: int, charged: bool
) -> None:
    """Never beyond what leaves a second chance before the result expires; when unsure, not for long."""
    latency = Latency(log_s=math.log(expected), seen=200, results=results)
    wait = hold_s(age, unit, latency=latency, scout=False, charged=charged)
    assert wait == 0 or wait >= WAIT_S_MIN
    assert wait <= max((EXPIRES_AFTER_S - age) * 0.55, WAIT_S_MIN)
    if results < LEARNT_AFTER:
        assert wait <= max(0.5, age / 2) * 1.1


def test_until_something_is_learnt_scouts_ask_and_others_wait() -> None:
    """They look again when they are half as old again."""
    assert hold_s(4, 0.5, latency=UNKNOWN, scout=True) == 0
    assert hold_s(0.5, 0.5, latency=UNKNOWN, scout=False) == 0.5
    assert hold_s(4, 0.5, latency=UNKNOWN, scout=False) == 2


def test_if_the_scouts_are_gone_the_others_ask() -> None:
    """Nothing came of them by four times of what was to be expected."""
    assert hold_s(6, 0.5, latency=UNKNOWN, scout=False) > 0
    assert hold_s(8, 0.5, latency=UNKNOWN, scout=False) == 0


def test_one_in_many_of_the_held_asks_all_the_same() -> None:
    """Eight scouts may be fast or slow by chance."""
    assert hold_s(4, 0.001, latency=UNKNOWN, scout=False) == 0


def test_what_was_learnt_since_it_was_scheduled_holds_a_job_back() -> None:
    """Due by the old median, it waits for the new one's first poll, and not a moment after that."""
    assert hold_s(15, 0.5, latency=learnt(20), scout=True) == 0
    assert hold_s(15, 0.5, latency=learnt(60), scout=True) == pytest.approx(30)
    assert hold_s(15, 0.5, latency=learnt(20), scout=True, charged=True) == pytest.approx(15)
    few = Latency(log_s=math.log(60), seen=8, results=LEARNT_AFTER)
    assert hold_s(15, 0.5, latency=few, scout=True) == 7.5  # a few results may mislead: look again
    assert hold_s(30, 0.5, latency=few, scout=True) == pytest.approx(0.8 * 45 - 30)
    assert hold_s(EXPIRES_AFTER_S, 0.5, latency=learnt(1e6), scout=True) == 0


@pytest.mark.parametrize("charged", [False, True])
@pytest.mark.parametrize("median", [0.5, 20.0, 300.0])
def test_the_schedule_tells_when_a_job_was_asked_before(median: float, charged: bool) -> None:
    """To a tenth of its age, even where the median was learnt anew since."""
    asked = ages(learnt(median), scout=False, until_s=median * 8, charged=charged)
    assert last_asked_s(asked[0], 1, latency=learnt(median), charged=charged) == 0
    for polls, (before, now) in enumerate(pairwise(asked), start=2):
        for known in (median, median * 3):
            found = last_asked_s(now, polls, latency=learnt(known), charged=charged)
            assert found == pytest.approx(before, abs=now / 10)


def test_a_few_results_make_no_median() -> None:
    """The first to come in are the fast ones."""
    latency = UNKNOWN
    for _ in range(LEARNT_AFTER):
        assert latency.median_s is None
        latency = latency.update(0, 1, ready=True)
    assert latency.median_s is not None


def test_a_poll_that_tells_nothing_teaches_nothing() -> None:
    """Not ready long before anything is expected; not ready again a moment later."""
    known = learnt(20)
    assert known.update(0, 0.03, ready=False).log_s == pytest.approx(known.log_s)
    assert known.update(20, 20, ready=False).log_s == pytest.approx(known.log_s)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.booleans(), st.floats(-3, 11))
def test_learning_stays_within_reason(after: float, by: float, ready: bool, log_s: float) -> None:
    """Early is never learnt as late nor late as early, and no number breaks it."""
    known = Latency(log_s=log_s, seen=10, results=10)
    new = known.update(after, by, ready=ready).log_s
    assert math.isfinite(new)
    if ready:
        assert new <= known.log_s or math.exp(new) <= max(after, by) * 1.01
    else:
        assert new >= known.log_s - 1e-9


class Measured(NamedTuple):
    polls: float
    lag: float
    median_s: float


def simulate(
    median: float, sigma: float, per_s: float, jobs: int, *, known: Latency = UNKNOWN, charged: bool = False
) -> Measured:
    """Many jobs, sent at an even rate, with lognormal latency; polls and mean lag (in medians) a job."""
    rng = random.Random(7)
    latency, polls, lag = known, [0] * jobs, 0.0
    ready_after = [median * rng.lognormvariate(0, sigma) for _ in range(jobs)]
    queue = [(job / per_s, job, 0.0) for job in range(jobs)]  # now, job, its age
    heapq.heapify(queue)
    while queue:
        now, job, age = heapq.heappop(queue)
        scout = job < SCOUTS
        wait = hold_s(age, rng.random(), latency=latency, scout=scout, charged=charged) if age > 0 else 0.0
        if age > 0 and wait == 0:
            polls[job] += 1
            ready = age >= ready_after[job]
            before = last_asked_s(age, polls[job], latency=latency, charged=charged)
            latency = latency.update(before, age, ready=ready)
            if ready:
                lag += age - ready_after[job]
                continue
        if wait == 0:
            wait = next_poll_s(age, rng.random(), latency=latency, scout=scout, charged=charged)
        heapq.heappush(queue, (now + wait, job, age + wait))
    assert latency.median_s is not None
    return Measured(sum(polls) / jobs, lag / jobs / median, latency.median_s)


@pytest.mark.parametrize(("median", "per_s"), [(1.0, 1_000.0), (20.0, 2.0)])
def test_polls_and_lag_stay_within_the_promise(median: float, per_s: float) -> None:
    """At most 3.0 polls a result and a mean lag of 0.35 medians, starting from nothing."""
    measured = simulate(median, 0.8, per_s, 3_000)
    assert measured.polls <= 3.0
    assert measured.lag <= 0.35
    assert measured.median_s == pytest.approx(median, rel=0.35)


@pytest.mark.parametrize("median", [3.0, 20.0, 120.0])
def test_thousands_sent_at_once_stay_within_the_promise(median: float) -> None:
    """Nothing is learnt before all of them are out; a few find out for the others."""
    measured = simulate(median, 0.8, 2_000.0, 5_000)
    assert measured.polls <= 3.0
    assert measured.lag <= 0.35
    assert measured.median_s == pytest.approx(median, rel=0.35)


def test_where_polls_are_charged_most_bring_an_answer() -> None:
    """At most 1.6 a result; answers lie ready for longer."""
    measured = simulate(20, 0.8, 2_000.0, 3_000, charged=True)
    assert measured.polls <= 1.6
    assert measured.lag <= 1.0


def test_a_shift_of_the_latency_is_followed() -> None:
    """Three times slower than yesterday: learnt within the run."""
    measured = simulate(60, 0.8, 2, 1_000, known=learnt(20))
    assert measured.median_s == pytest.approx(60, rel=0.35)
    assert measured.polls < 4


def test_the_stragglers_at_the_end_do_not_spoil_what_was_learnt() -> None:
    """The last results to come in are the slow ones; the next run must not start with theirs."""
    assert simulate(5, 0.8, 1_000, 1_000, known=learnt(5)).median_s == pytest.approx(5, rel=0.35)


def test_an_instant_api_is_asked_once() -> None:
    """And the wait shrinks to the floor."""
    measured = simulate(1e-6, 0.0, 1, 100)
    assert measured.polls == 1
    assert next_poll_s(0, 0.5, latency=learnt(measured.median_s), scout=False) == WAIT_S_MIN
