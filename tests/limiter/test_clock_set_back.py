"""The clock of Redis' host is set back: what was sent lies in the future, and nothing must wait for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from limiter_script import CLOCK, SECOND_US, STATE, WINDOW_US, Script
from redis import Redis
from valkey_server import valkey_server

from runner.limiter.store import read_view, script, state_and_log, view_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = 7
RUNS = [(RUN, 60, 0)]
RUN_STATE = state_and_log(RUN)[0]
TIMES = {
    CLOCK: ["seen"],
    STATE: ["last", "pause", "even", "paced", "cut_at", "grown_at", "polls_at"],
    RUN_STATE: ["even", "paced"],
}
HOUR_US = 3_600 * SECOND_US
HORIZON_US = 400_000
BACK_US = (HOUR_US, 48 * HOUR_US)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Script]:
    with valkey_server() as server, Redis.from_url(server.url) as client:
        yield Script(client)


def set_back(client: Redis, by_us: int) -> None:
    """Let all times that Redis holds lie `by_us` later: the same as a clock that is set back so far."""
    for key, names in TIMES.items():
        for name in names:
            if client.hexists(key, name):
                client.hincrbyfloat(key, name, by_us)
    for log in client.scan_iter("{runner}:*:log"):
        entries: Any = client.zrange(log, 0, -1, withscores=True)
        client.zadd(log, {member: at + by_us for member, at in entries})


def granted(reply: list[Any]) -> int:
    return len(reply[3]) // 3


@pytest.mark.parametrize("by_us", BACK_US)
def test_requests_go_on(bucket: Script, by_us: int) -> None:
    """As if it had not been, and so that the limit of a minute holds."""
    bucket.start()
    first = granted(bucket.call(rpm=600, wanted=[1] * 600, horizon_us=HORIZON_US))
    set_back(bucket.client, by_us)

    reply = bucket.call(rpm=600, wanted=[1] * 600, horizon_us=HORIZON_US)
    assert reply[2] <= SECOND_US  # when to request the next slots
    assert 1 <= first + granted(reply) <= 600
    full = bucket.call(rpm=600, wanted=[1] * 600, horizon_us=WINDOW_US - SECOND_US)
    assert first + granted(reply) + granted(full) <= 600


def test_a_run_with_limits_of_its_own_goes_on(bucket: Script) -> None:
    bucket.start()
    bucket.call(rpm=600, runs=RUNS, wanted=[(1, 1)] * 2, horizon_us=HORIZON_US)
    set_back(bucket.client, HOUR_US)

    reply = bucket.call(rpm=600, runs=RUNS, wanted=[(1, 1)] * 2, horizon_us=HORIZON_US)
    assert 0 <= reply[6][0] <= 2 * SECOND_US  # when its own limit allows the next one


@pytest.mark.parametrize("by_us", BACK_US)
def test_the_used_part_of_the_limit_and_the_count_of_polls_stay(bucket: Script, by_us: int) -> None:
    bucket.start()
    bucket.call(rpm=600, wanted=[1], polls=8, polls_refused=1)
    set_back(bucket.client, by_us)

    bucket.call(rpm=600, wanted=[1])
    share, polls = (float(one or 0) for one in bucket.client.hmget(STATE, ["share", "polls"]))
    assert share == 1
    assert polls == pytest.approx(8, rel=0.1)


def test_a_pause_does_not_become_longer(bucket: Script) -> None:
    bucket.start()
    bucket.call(rpm=600, pause_us=5 * SECOND_US)
    set_back(bucket.client, HOUR_US)

    assert 0 < bucket.call(rpm=600)[1] <= 5 * SECOND_US


def test_a_screen_shows_what_was_sent(bucket: Script) -> None:
    bucket.start()
    bucket.call(rpm=600, wanted=[1] * 3)
    set_back(bucket.client, HOUR_US)
    view = bucket.client.register_script(script("view"))

    reply: Any = view(view_keys("team:b"), [WINDOW_US])
    assert read_view(reply).requests == 3
