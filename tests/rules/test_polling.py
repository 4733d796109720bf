"""Polls are few and answers are fetched soon, for any latency."""

from __future__ import annotations

import heapq
import math
import random
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.sending.polling import (
    EXPIRES_AFTER_S,
    LEARNT_AFTER,
    WAIT_S_MIN,
    Latency,
    last_poll_age_s,
    next_poll_s,
    postpone_s,
)
from runner.rules.sending.probes import PROBES

UNKNOWN = Latency()
UNITS = st.floats(0, 1, exclude_max=True)
AGES = st.floats(0, 90_000)


def learnt(median_s: float) -> Latency:
    return Latency(log_s=math.log(median_s), seen=100, results=100)


def ages(
    latency: Latency, *, is_probe: bool, until_s: float, unit: float = 0.5, charged: bool = False
) -> list[float]:
    """Return the ages at which a job that is never ready is polled."""
    found: list[float] = []
    age = next_poll_s(0.0, unit, latency=latency, is_probe=is_probe, charged=charged)
    while age <= until_s:
        found.append(round(age, 3))
        age += next_poll_s(age, unit, latency=latency, is_probe=is_probe, charged=charged)
    return found


def test_probes_are_polled_early_and_then_less_and_less_often() -> None:
    """At 0.1, 0.25, 0.5, 1, 2 s, then at 1.5 times the age, at most 30 s apart."""
    assert ages(UNKNOWN, is_probe=True, until_s=7) == [0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.5, 6.75]
    late = ages(UNKNOWN, is_probe=True, until_s=500)
    assert late[-1] - late[-2] == pytest.approx(30)


def test_jobs_that_are_no_probes_are_polled_less() -> None:
    """The first poll is early enough for an instant API; ages double for a slow one."""
    assert ages(UNKNOWN, is_probe=False, until_s=40) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_a_learnt_model_is_polled_by_its_median() -> None:
    """First at 0.75 medians, then every half; from 4 medians on the steps grow by 1.3, up to 300 s."""
    assert ages(learnt(20), is_probe=False, until_s=70) == [15, 25, 35, 45, 55, 65]
    tail = [85, 99.5, 118.35, 142.855, 174.712]
    assert ages(learnt(20), is_probe=True, until_s=180)[7:] == tail
    steps = ages(learnt(20), is_probe=False, until_s=4_000)
    assert max(b - a for a, b in pairwise(steps)) == pytest.approx(300)


@pytest.mark.parametrize("unit", [0.0, 0.3, 0.999])
def test_jitter_never_costs_a_poll(unit: float) -> None:
    """A poll that is made a tenth earlier than scheduled is not repeated a moment later."""
    assert len(ages(UNKNOWN, is_probe=True, until_s=2.2, unit=unit)) == 5
    first, second = ages(learnt(20), is_probe=False, until_s=30, unit=unit)[:2]
    assert second - first > 8.9


@given(AGES, UNITS, st.floats(1e-4, 1e5), st.booleans(), st.booleans())
def test_a_wait_is_neither_too_short_nor_too_long(
    age: float, unit: float, median: float, is_learnt: bool, is_probe: bool
) -> None:
    """At least 0.05 s; at most what leaves time for one more poll before the result expires."""
    wait = next_poll_s(age, unit, latency=learnt(median) if is_learnt else UNKNOWN, is_probe=is_probe)
    left = EXPIRES_AFTER_S - age
    assert wait >= WAIT_S_MIN
    if left > 0:
        assert wait <= max(left * 0.55, WAIT_S_MIN)
    if age > 0.75 * median:
        assert wait <= 330


def test_charged_polls_are_few() -> None:
    """Each takes the slot of a job, so the first is at 1.5 medians, the next ones every 1.2."""
    assert ages(learnt(20), is_probe=False, until_s=80, charged=True) == [30, 54, 78]
    assert ages(UNKNOWN, is_probe=True, until_s=2, charged=True) == ages(UNKNOWN, is_probe=True, until_s=2)


@given(AGES, st.floats(0.01, 1, exclude_max=True), st.floats(1e-4, 1e5), st.integers(0, 100), st.booleans())
def test_no_poll_is_postponed_for_too_long(
    age: float, unit: float, expected: float, results: int, charged: bool
) -> None:
    """There is time left for one more poll before the result expires; with few results the wait is short."""
    latency = Latency(log_s=math.log(expected), seen=200, results=results)
    wait = postpone_s(age, unit, latency=latency, is_probe=False, charged=charged)
    assert wait == 0 or wait >= WAIT_S_MIN
    assert wait <= max((EXPIRES_AFTER_S - age) * 0.55, WAIT_S_MIN)
    if results < LEARNT_AFTER:
        assert wait <= max(0.5, age / 2) * 1.1


def test_until_something_is_learnt_probes_are_polled_and_other_jobs_wait() -> None:
    """The others are checked again at 1.5 times their age."""
    assert postpone_s(4, 0.5, latency=UNKNOWN, is_probe=True) == 0
    assert postpone_s(0.5, 0.5, latency=UNKNOWN, is_probe=False) == 0.5
    assert postpone_s(4, 0.5, latency=UNKNOWN, is_probe=False) == 2


def test_if_the_probes_are_lost_the_other_jobs_are_polled() -> None:
    """That is from four expected medians without a result on."""
    assert postpone_s(6, 0.5, latency=UNKNOWN, is_probe=False) > 0
    assert postpone_s(8, 0.5, latency=UNKNOWN, is_probe=False) == 0


def test_a_small_share_of_postponed_jobs_is_polled_anyway() -> None:
    """Eight probes may be fast or slow by chance."""
    assert postpone_s(4, 0.001, latency=UNKNOWN, is_probe=False) == 0


def test_a_poll_is_postponed_by_what_was_learnt_since_it_was_scheduled() -> None:
    """A job that is due by the old median waits until the first poll by the new one, and no longer."""
    assert postpone_s(15, 0.5, latency=learnt(20), is_probe=True) == 0
    assert postpone_s(15, 0.5, latency=learnt(60), is_probe=True) == pytest.approx(30)
    assert postpone_s(15, 0.5, latency=learnt(20), is_probe=True, charged=True) == pytest.approx(15)
    few = Latency(log_s=math.log(60), seen=8, results=LEARNT_AFTER)
    assert postpone_s(15, 0.5, latency=few, is_probe=True) == 7.5  # a few results may mislead: check again
    assert postpone_s(30, 0.5, latency=few, is_probe=True) == pytest.approx(0.8 * 45 - 30)
    assert postpone_s(EXPIRES_AFTER_S, 0.5, latency=learnt(1e6), is_probe=True) == 0


@pytest.mark.parametrize("charged", [False, True])
@pytest.mark.parametrize("median", [0.5, 20.0, 300.0])
def test_the_age_at_the_last_poll_follows_from_the_schedule(median: float, charged: bool) -> None:
    """It is right to a tenth of the age now, even if the median has changed since."""
    polled = ages(learnt(median), is_probe=False, until_s=median * 8, charged=charged)
    assert last_poll_age_s(polled[0], 1, latency=learnt(median), charged=charged) == 0
    for polls, (before, now) in enumerate(pairwise(polled), start=2):
        for median_now in (median, median * 3):
            found = last_poll_age_s(now, polls, latency=learnt(median_now), charged=charged)
            assert found == pytest.approx(before, abs=now / 10)


def test_a_few_results_make_no_median() -> None:
    """The first results to arrive are the fast ones."""
    latency = UNKNOWN
    for _ in range(LEARNT_AFTER):
        assert latency.median_s is None
        latency = latency.update(0, 1, ready=True)
    assert latency.median_s is not None


def test_a_poll_without_information_changes_nothing() -> None:
    """Not ready long before an answer is expected, or not ready again a moment later."""
    before = learnt(20)
    assert before.update(0, 0.03, ready=False).log_s == pytest.approx(before.log_s)
    assert before.update(20, 20, ready=False).log_s == pytest.approx(before.log_s)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.booleans(), st.floats(-3, 11))
def test_an_update_moves_the_median_in_the_right_direction(
    after: float, by: float, ready: bool, log_s: float
) -> None:
    """An early result never raises it above that age, a poll without one never lowers it; it stays finite."""
    before = Latency(log_s=log_s, seen=10, results=10)
    new = before.update(after, by, ready=ready).log_s
    assert math.isfinite(new)
    if ready:
        assert new <= before.log_s or math.exp(new) <= max(after, by) * 1.01
    else:
        assert new >= before.log_s - 1e-9


class Measured(NamedTuple):
    """Averages of a simulation: polls a job, lag in medians, and the learnt median."""

    polls: float
    lag: float
    median_s: float


def simulate(
    median: float, sigma: float, per_s: float, jobs: int, *, known: Latency = UNKNOWN, charged: bool = False
) -> Measured:
    """Simulate the polls of many jobs that are sent at an even rate and have a lognormal latency."""
    rng = random.Random(7)
    latency, polls, lag = known, [0] * jobs, 0.0
    ready_after = [median * rng.lognormvariate(0, sigma) for _ in range(jobs)]
    queue = [(job / per_s, job, 0.0) for job in range(jobs)]  # now, job, its age
    heapq.heapify(queue)
    while queue:
        now, job, age = heapq.heappop(queue)
        is_probe = job < PROBES
        wait = (
            postpone_s(age, rng.random(), latency=latency, is_probe=is_probe, charged=charged)
            if age > 0
            else 0.0
        )
        if age > 0 and wait == 0:
            polls[job] += 1
            ready = age >= ready_after[job]
            before = last_poll_age_s(age, polls[job], latency=latency, charged=charged)
            latency = latency.update(before, age, ready=ready)
            if ready:
                lag += age - ready_after[job]
                continue
        if wait == 0:
            wait = next_poll_s(age, rng.random(), latency=latency, is_probe=is_probe, charged=charged)
        heapq.heappush(queue, (now + wait, job, age + wait))
    assert latency.median_s is not None
    return Measured(sum(polls) / jobs, lag / jobs / median, latency.median_s)


@pytest.mark.parametrize(("median", "per_s"), [(1.0, 1_000.0), (20.0, 2.0)])
def test_polls_and_lag_stay_within_the_bounds(median: float, per_s: float) -> None:
    """At most 3.0 polls a result and a mean lag of 0.35 medians, with nothing learnt before."""
    measured = simulate(median, 0.8, per_s, 1_000)
    assert measured.polls <= 3.0
    assert measured.lag <= 0.35
    assert measured.median_s == pytest.approx(median, rel=0.35)


@pytest.mark.parametrize(("median", "jobs"), [(3.0, 1_000), (20.0, 2_000)])
def test_thousands_sent_at_once_stay_within_the_bounds(median: float, jobs: int) -> None:
    """Nothing is learnt before all of them are in flight; a few are polled for all."""
    measured = simulate(median, 0.8, 2_000.0, jobs)
    assert measured.polls <= 3.0
    assert measured.lag <= 0.35
    assert measured.median_s == pytest.approx(median, rel=0.35)


def test_where_polls_are_charged_most_bring_an_answer() -> None:
    """At most 1.6 polls a result; answers are fetched later."""
    measured = simulate(20, 0.8, 2_000.0, 3_000, charged=True)
    assert measured.polls <= 1.6
    assert measured.lag <= 1.0


def test_a_shift_of_the_latency_is_followed() -> None:
    """A latency three times longer is learnt within the run."""
    measured = simulate(60, 0.8, 2, 1_000, known=learnt(20))
    assert measured.median_s == pytest.approx(60, rel=0.35)
    assert measured.polls < 4


def test_the_stragglers_at_the_end_do_not_spoil_what_was_learnt() -> None:
    """The last results to arrive are the slow ones; the next run must not start with their latency."""
    assert simulate(5, 0.8, 1_000, 1_000, known=learnt(5)).median_s == pytest.approx(5, rel=0.35)


def test_an_instant_api_is_polled_once() -> None:
    """The wait shrinks to the minimum."""
    measured = simulate(1e-6, 0.0, 1, 100)
    assert measured.polls == 1
    assert next_poll_s(0, 0.5, latency=learnt(measured.median_s), is_probe=False) == WAIT_S_MIN
