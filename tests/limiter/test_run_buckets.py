"""Runs with limits of their own: the script with their buckets beside the model's."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limiter_script import SECOND_US, STATE, TEAM, WINDOW_US, Script, strict_overruns
from redis import Redis
from valkey_server import valkey_server

from runner.limiter.store import state_and_log

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW, FAST = 7, 8
SLOW_RPM, FAST_RPM, MODEL_RPM = 60, 3_000, 3_600
HORIZON_US = 400_000
many = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Script]:
    with valkey_server() as server, Redis.from_url(server.url) as client:
        yield Script(client)


def granted(reply: list[Any]) -> list[int]:
    """Return the places of the granted slots."""
    return list(reply[3][::3])


def age(bucket: Script, by_us: int) -> None:
    """Let all that is in Redis be older."""
    for key in bucket.client.scan_iter("{runner}:*:log"):
        entries: Any = bucket.client.zrange(key, 0, -1, withscores=True)
        if entries:
            bucket.client.zadd(key, {member: at - by_us for member, at in entries})
    for key, names in ((STATE, ("last", "even", "paced")), (state_and_log(SLOW)[0], ("even", "paced"))):
        for name in names:
            found: Any = bucket.client.hget(key, name)
            if found is not None:
                bucket.client.hset(key, name, str(float(found) - by_us))


def times_of_slow(bucket: Script, *, rounds: int, each_us: int) -> list[int]:
    """Let the slow run request slots in each round; return their times in microseconds."""
    times: list[int] = []
    for nth in range(rounds):
        second, us = bucket.client.time()
        reply = bucket.call(
            rpm=MODEL_RPM, runs=[(SLOW, SLOW_RPM, 0)], wanted=[(1, 1)] * 10, horizon_us=HORIZON_US
        )
        times += [second * SECOND_US + us + nth * each_us + wait_us for wait_us in reply[3][1::3]]
        age(bucket, each_us)
    return times


def overruns(times: list[int]) -> int:
    """Return how many were too many for the slow run in a minute; a clock was read a moment before each."""
    log = [(at, 1) for at in times]
    return strict_overruns(log, window_us=WINDOW_US - SECOND_US // 10, requests=SLOW_RPM, tokens=0)


@many
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(1, 500), st.integers(0, 2)), min_size=1, max_size=60), max_size=6
    ),
    slow=st.tuples(st.integers(0, 100), st.integers(0, 3_000)),
    fast=st.tuples(st.integers(0, 4_000), st.integers(0, 30_000)),
    steps_us=st.lists(st.integers(0, 30_000_000), min_size=6, max_size=6),
)
def test_no_window_of_a_run_or_of_the_model_is_overrun(
    bucket: Script,
    batches: list[list[tuple[int, int]]],
    slow: tuple[int, int],
    fast: tuple[int, int],
    steps_us: list[int],
) -> None:
    """Whatever the runs want, and whenever: requests and tokens of a run, and of the model."""
    bucket.start()
    for batch, step_us in zip(batches, steps_us, strict=False):
        runs = [(SLOW, *slow), (FAST, *fast)]
        wanted = [one if one[1] else one[0] for one in batch]
        bucket.call(rpm=MODEL_RPM, tpm=50_000, runs=runs, wanted=wanted, horizon_us=HORIZON_US)
        age(bucket, step_us)
    assert strict_overruns(bucket.log(), window_us=WINDOW_US, requests=MODEL_RPM, tokens=50_000) == 0
    for run, (rpm, tpm) in ((SLOW, slow), (FAST, fast)):
        log = [(at, min(size, tpm or size)) for at, size in bucket.log(run)]  # one above it is sent alone
        assert strict_overruns(log, window_us=WINDOW_US, requests=rpm, tokens=tpm) == 0


def test_a_slow_run_holds_up_no_other(bucket: Script) -> None:
    """What its own limit does not grant is left out, and the slots of others follow without a gap."""
    bucket.start()
    runs = [(SLOW, SLOW_RPM, 0), (FAST, FAST_RPM, 0)]
    bucket.call(rpm=MODEL_RPM, runs=runs, wanted=[(1, 1)] * 10, horizon_us=HORIZON_US)
    at_once = len(bucket.log(SLOW))
    assert 1 <= at_once <= 3  # it may run two seconds ahead of its pace
    reply = bucket.call(rpm=MODEL_RPM, runs=runs, wanted=[(1, 1), (1, 2)] * 20, horizon_us=HORIZON_US)
    assert granted(reply) == list(range(2, 41, 2))
    assert reply[2] == -1  # the model's limits granted all that was left to them
    assert reply[6][0] > 0 > reply[6][1]
    times = [at for at, _ in bucket.log()]
    assert max(after - at for at, after in pairwise(times)) < SECOND_US / 40


def test_a_run_makes_up_for_what_it_lost(bucket: Script) -> None:
    """It asks once in two seconds, and gets what its limit allows for them; never more in a minute."""
    bucket.start()
    sent = times_of_slow(bucket, rounds=60, each_us=2 * SECOND_US)
    assert len(sent) >= 0.95 * 2 * SLOW_RPM
    assert overruns(sent) == 0


def test_updates_change_both_logs(bucket: Script) -> None:
    """A request of a run is confirmed, settled and released in its own bucket too."""
    bucket.start()
    runs = [(SLOW, SLOW_RPM, 100_000)]
    bucket.call(rpm=MODEL_RPM, tpm=200_000, runs=runs, wanted=[(100, 1)] * 3)
    (first, planned_us), (second, _), (third, _) = bucket.members(SLOW)
    assert first.endswith(f":1@{SLOW}:100")
    assert bucket.members() == bucket.members(SLOW)
    as_last = [(SLOW, -1, -1)]
    updates: dict[str, Any] = {
        "confirm": [(first, 0, 1)],
        "settle": [(second, 50, 1)],
        "release": [(third, 1)],
    }
    bucket.call(runs=as_last, **updates)
    bucket.call(runs=as_last, **updates)  # twice does no harm
    assert bucket.members() == bucket.members(SLOW)
    assert sorted(tokens for _, tokens in bucket.log(SLOW)) == [50, 100]
    assert dict(bucket.members(SLOW))[first] > planned_us
    sums = [bucket.client.hget(key, "sum") for key in (STATE, state_and_log(SLOW)[0])]
    assert sums == [b"150", b"150"]


def test_slots_that_come_too_late_are_not_lost(bucket: Script) -> None:
    """A busy machine releases every second one; the run uses its limit all the same."""
    bucket.start()
    runs, sent = [(SLOW, SLOW_RPM, 0)], 0
    for _ in range(180):
        released: list[Any] = []
        for _ in range(2):
            wanted = [(1, 1)] * 5
            bucket.call(rpm=MODEL_RPM, runs=runs, wanted=wanted, horizon_us=HORIZON_US, release=released)
            late = [one for one, _ in bucket.members(SLOW) if one.startswith(f"p-{bucket.calls}:")][::2]
            released = [(one, 1) for one in late]
        bucket.call(rpm=MODEL_RPM, runs=runs, release=released)
        age(bucket, SECOND_US)
        sent = max(sent, len(bucket.log(SLOW)))
    assert 57 <= len(bucket.log(SLOW)) <= sent <= SLOW_RPM


def test_only_a_run_with_limits_of_its_own_has_a_bucket(bucket: Script) -> None:
    """Its id is then in the names of its slots."""
    bucket.start()
    bucket.call(rpm=MODEL_RPM, wanted=[1])
    assert "@" not in bucket.members()[0][0]
    assert not bucket.client.exists(*state_and_log(SLOW))


def test_a_lower_limit_holds_at_once_and_from_then_on(bucket: Script) -> None:
    """The run goes on at the new rate; what it sent before does not stop it for a minute."""
    bucket.start()
    bucket.call(rpm=MODEL_RPM, runs=[(SLOW, FAST_RPM, 0)], wanted=[(1, 1)] * 500)
    age(bucket, 20 * SECOND_US)
    sent = times_of_slow(bucket, rounds=60, each_us=SECOND_US)
    assert len(sent) >= 57
    assert overruns(sent) == 0


def test_a_higher_limit_holds_at_once(bucket: Script) -> None:
    """Also after a limit whose pace is one request a minute."""
    bucket.start()
    bucket.call(rpm=MODEL_RPM, runs=[(SLOW, 1, 0)], wanted=[(1, 1)])
    reply = bucket.call(rpm=MODEL_RPM, runs=[(SLOW, 1, 0)], wanted=[(1, 1)], horizon_us=HORIZON_US)
    assert granted(reply) == []
    reply = bucket.call(rpm=MODEL_RPM, runs=[(SLOW, SLOW_RPM, 0)], wanted=[(1, 1)], horizon_us=HORIZON_US)
    assert granted(reply) == [1]


def test_what_was_rebuilt_counts(bucket: Script) -> None:
    """The run's bucket is filled with what the run sent in the last minute, and keeps it."""
    bucket.start(sent=[(0, 5)] * SLOW_RPM, r7=[(0, 5)] * SLOW_RPM)
    reply = bucket.call(rpm=MODEL_RPM, runs=[(SLOW, SLOW_RPM, 0)], wanted=[(1, 1)], horizon_us=HORIZON_US)
    assert granted(reply) == []
    assert len(bucket.log(SLOW)) == SLOW_RPM


def test_polls_and_429s_are_of_the_model_alone(bucket: Script) -> None:
    """After a 429 the model's share is cut, and the run goes at that pace. A poll is not in its log."""
    bucket.start()
    bucket.call(rpm=MODEL_RPM, rate_limited=True)
    bucket.call(rpm=MODEL_RPM, runs=[(SLOW, FAST_RPM, 0)], wanted=[(1, 1)] * 40)
    times = [at for at, _ in bucket.log(SLOW)]
    assert len(times) == 40
    assert times[39] - times[19] == pytest.approx(20 * WINDOW_US / 3_240, rel=0.05)
    bucket.call(rpm=MODEL_RPM, wanted=[0])
    assert len(bucket.log(SLOW)) == 40


def test_a_request_larger_than_the_limit_of_its_run_is_sent_alone(bucket: Script) -> None:
    """It would wait for ever otherwise. The model's bucket has all of its tokens."""
    bucket.start()
    runs = [(SLOW, 0, 100)]
    reply = bucket.call(tpm=10_000, runs=runs, wanted=[(500, 1), (50, 1)], horizon_us=HORIZON_US)
    assert granted(reply) == [1]
    assert bucket.log()[0][1] == bucket.log(SLOW)[0][1] == 500


def test_the_limits_of_a_team_hold_for_all_workers_at_once(bucket: Script) -> None:
    """They are read in each call."""
    bucket.start()
    assert bucket.call(rpm=120, tpm=9_000, wanted=[1])[5] == [120, 9_000, 2]
    bucket.client.hset(TEAM, mapping={"rpm": 480, "tpm": 0})
    assert bucket.call(rpm=120, tpm=9_000, wanted=[1])[5] == [480, 0, 10]
    bucket.client.hset(TEAM, mapping={"rpm": 0, "tpm": 0})
    assert bucket.call(rpm=120, tpm=9_000, wanted=[1])[5] == [0, 0, 0]
