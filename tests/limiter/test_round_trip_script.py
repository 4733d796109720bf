"""The limiter script against a brute-force model of a strict server that knows every request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limiter_script import MARGIN, SECOND_US, STATE, TEAM, WINDOW_US, Script, strict_overruns
from redis import Redis
from valkey_server import valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def bucket() -> Iterator[Script]:
    with valkey_server() as server, Redis.from_url(server.url) as client:
        yield Script(client)


sizes = st.lists(st.integers(1, 3000), min_size=1, max_size=80)
sent = st.lists(st.tuples(st.integers(0, 59_000_000), st.integers(1, 400)), max_size=20)
many = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@many
@given(
    sent=sent, batches=st.lists(sizes, max_size=3), rpm=st.integers(21, 4000), tpm=st.integers(9000, 90_000)
)
def test_a_strict_server_refuses_no_granted_slot(
    bucket: Script, sent: list[tuple[int, int]], batches: list[list[int]], rpm: int, tpm: int
) -> None:
    """The limits of requests and tokens a minute, and of requests a second, are kept in every window."""
    bucket.start(sent=sent)
    before = len(bucket.log())
    for batch in batches:
        bucket.call(rpm=rpm, tpm=tpm, wanted=batch)
    log, new = bucket.log(), bucket.log()[before:]
    assert strict_overruns(log, window_us=WINDOW_US, requests=rpm, tokens=tpm) == 0
    # Requests from before may be closer than a second allows; the granted slots may not.
    assert strict_overruns(new, window_us=SECOND_US, requests=max(2, rpm // 48), tokens=0) == 0
    assert len(new) == sum(map(len, batches))


@many
@given(batch=sizes, tpm=st.integers(1, 5000))
def test_a_request_larger_than_the_limit_is_counted_as_the_limit(
    bucket: Script, batch: list[int], tpm: int
) -> None:
    """Otherwise it would wait for ever; it is sent alone in its window."""
    bucket.start()
    bucket.call(tpm=tpm, wanted=batch)
    most = max(1, int(tpm * MARGIN))
    in_the_log = sorted(tokens for _, tokens in bucket.log())  # slots of one moment are in no order
    assert in_the_log == sorted(min(size, most) for size in batch)
    assert strict_overruns(bucket.log(), window_us=WINDOW_US, requests=0, tokens=tpm) == 0


@pytest.mark.parametrize("rpm", [1, 7, 60, 96, 120, 143, 144, 480, 1800])
def test_slots_use_the_limit_up(bucket: Script, rpm: int) -> None:
    """The spacing is 0.995 of the even one, or that of the limit of a second where it is longer."""
    bucket.start()
    count = rpm * 3 + 1
    bucket.call(rpm=rpm, wanted=[1] * count)
    log = bucket.log()
    took_us = log[-1][0] - log[0][0]
    best_us = max(0.995 * WINDOW_US / rpm, SECOND_US / max(2, rpm // 48)) * (count - 1)
    assert best_us <= took_us <= max(best_us, 3 * WINDOW_US) * 1.001


def test_a_short_file_goes_as_fast_as_the_second_allows(bucket: Script) -> None:
    """Requests may run at most two seconds ahead of the pace of a minute."""
    bucket.start()
    bucket.call(rpm=1800, wanted=[1] * 1000)
    times = [at for at, _ in bucket.log()]
    assert times[99] - times[0] == pytest.approx(99 * SECOND_US / 37, rel=0.01)
    ahead_us = [0.995 * WINDOW_US / 1800 * nth - (at - times[0]) for nth, at in enumerate(times)]
    assert max(ahead_us) == pytest.approx(2 * SECOND_US, rel=0.02)
    assert strict_overruns(bucket.log(), window_us=SECOND_US, requests=37, tokens=0) == 0


def test_after_a_429_nothing_runs_ahead(bucket: Script) -> None:
    """After a 429 less than the whole limit is in use, and even a short file keeps the pace of a minute."""
    bucket.start()
    bucket.call(rpm=1800, rate_limited=True)
    bucket.call(rpm=1800, wanted=[1] * 100)
    times = [at for at, _ in bucket.log()]
    assert times[99] - times[0] == pytest.approx(99 * 0.995 * WINDOW_US / 1620, rel=0.01)


def test_tokens_are_used_up_evenly(bucket: Script) -> None:
    """The tokens of three minutes take three minutes, without a burst at the start."""
    bucket.start()
    bucket.call(tpm=100_000, wanted=[970] * 301)
    log = bucket.log()
    assert log[-1][0] - log[0][0] == pytest.approx(3 * WINDOW_US, rel=0.015)
    assert sum(at < log[0][0] + SECOND_US for at, _ in log) < 12


def test_a_confirmed_request_counts_from_its_reply_on(bucket: Script) -> None:
    """It arrived at the reply at the latest, so the windows of a minute and of a second start there."""
    bucket.start()
    bucket.call(rpm=2, rps=0, wanted=[1])
    member, planned = bucket.members()[0]
    bucket.call(rpm=2, rps=0, confirm=[(member, 0)])
    replied = bucket.members()[0][1]
    assert replied > planned
    bucket.call(rpm=1, rps=1, wanted=[1])
    assert bucket.members()[1][1] > replied + WINDOW_US


def test_a_confirmed_second_is_kept(bucket: Script) -> None:
    """A slot is a whole second after the reply to the slot `rps` before it."""
    bucket.start()
    bucket.call(rpm=6000, rps=1, wanted=[1])
    bucket.call(rpm=6000, rps=1, confirm=[(bucket.members()[0][0], 0)])
    replied = bucket.members()[0][1]
    bucket.call(rpm=6000, rps=1, wanted=[1])
    assert bucket.members()[1][1] == replied + SECOND_US + 1


def test_updates_may_be_sent_twice(bucket: Script) -> None:
    """Updates whose reply was lost are sent again; nothing changes the second time."""
    bucket.start()
    bucket.call(tpm=1000, wanted=[100, 100, 100])
    (first, _), (second, _), (third, _) = bucket.members()
    updates: dict[str, Any] = {
        "confirm": [(first, 0)],
        "settle": [(second, 50)],
        "release": [(third,)],
    }
    bucket.call(tpm=1000, **updates)
    once = sorted(tokens for _, tokens in bucket.log())
    bucket.call(tpm=1000, **updates)
    assert once == sorted(tokens for _, tokens in bucket.log()) == [50, 100]


def test_a_request_the_log_forgot_is_entered_at_its_reply(bucket: Script) -> None:
    """As after Redis was emptied while the request was under way."""
    bucket.start()
    bucket.call(confirm=[("q-1:1:70", 0)])
    assert [tokens for _, tokens in bucket.log()] == [70]


def test_settled_tokens_replace_the_estimate(bucket: Script) -> None:
    """Within the minute: fewer used tokens let the next slot come now, more make it wait."""
    for used, earliest_us, latest_us in (
        (0, 0, SECOND_US),
        (970, WINDOW_US - SECOND_US, WINDOW_US + SECOND_US),
    ):
        bucket.start(sent=[(0, 485)])
        bucket.call(tpm=1000, settle=[(bucket.members()[0][0], used)])
        wait_us = bucket.call(tpm=1000, wanted=[485])[3][1]
        assert earliest_us <= wait_us <= latest_us


def test_beyond_the_horizon_nothing_is_granted(bucket: Script) -> None:
    """Slots further ahead get a time after which to request them again."""
    bucket.start()
    status, pause_us, retry_after_us, granted, *_ = bucket.call(rpm=60, horizon_us=3_000_000, wanted=[1] * 10)
    assert (status, pause_us, len(granted) // 3) == (b"ok", 0, 4)
    assert retry_after_us == pytest.approx(4 * 995_000 - 3_000_000, abs=5)
    assert len(bucket.log()) == 4


def test_refusals_slow_down_once_and_a_new_limit_restores(bucket: Script) -> None:
    """Of many 429s at a time one counts; a changed announced limit is used in full."""

    def spacing_us() -> int:
        bucket.call(rpm=0, tpm=0, rps=0, wanted=[1])
        granted = bucket.call(rpm=1000, rps=0, wanted=[1, 1])[3]
        return int(granted[4] - granted[1])

    bucket.start()
    for _ in range(5):
        bucket.call(rpm=1000, rate_limited=True)
    assert spacing_us() == pytest.approx(59_700 / 0.9, abs=3)
    bucket.call(announced={"rpm": 2000, "tpm": -1})
    assert spacing_us() == pytest.approx(59_700 / 2, abs=3)


LIMITS = [  # the team's, announced, fallback -> in force
    (None, -1, 120, 120),
    (None, 90, 120, 90),
    (None, 900, 120, 900),
    (600, -1, 120, 600),
    (600, 90, 120, 90),
    (60, 90, 120, 60),
    (0, 90, 120, 0),
    (None, -1, -1, 0),
    (None, -1, 0, 0),
]


@pytest.mark.parametrize(("team", "announced", "fallback", "expected"), LIMITS)
def test_the_limit_in_force(
    bucket: Script, team: int | None, announced: int, fallback: int, expected: int
) -> None:
    """The team's, lowered to the announced one; else the announced one; else the model table's. 0 is none."""
    bucket.start()
    if team is not None:
        bucket.client.hset(TEAM, mapping={"rpm": team})
    reply = bucket.call(rpm=fallback, announced={"rpm": announced, "tpm": -1}, wanted=[1])
    force: Any = bucket.client.hget(STATE, "force_rpm")
    assert int(force) == reply[5][0] == expected


def test_polls_are_charged_after_several_429s(bucket: Script) -> None:
    """Not after a single one, nor after a few among many polls; and no longer once they have decayed."""
    bucket.start()
    assert bucket.call(polls=1, polls_refused=1)[4] == 0
    assert bucket.call(polls=1, polls_refused=1)[4] == 0
    assert bucket.call(polls=500, polls_refused=8)[4] == 0
    bucket.start()
    bucket.client.delete(STATE)
    for _ in range(3):
        charged = bucket.call(polls=2, polls_refused=1)[4]
    assert charged == 1
    for past_us, still in ((WINDOW_US, 1), (4 * WINDOW_US, 0)):
        found: Any = bucket.client.hget(STATE, "polls_at")
        bucket.client.hset(STATE, "polls_at", int(float(found)) - past_us)
        assert bucket.call()[4] == still


def test_a_poll_waits_for_requests_and_not_for_tokens(bucket: Script) -> None:
    """It uses no tokens, so it is granted even when far too many are used."""
    bucket.start(sent=[(0, 5000)])
    _, wait_us, tokens = bucket.call(tpm=1000, wanted=[0])[3]
    assert (wait_us, tokens) == (0, 0)
    assert bucket.call(rpm=1, tpm=1000, wanted=[0], horizon_us=1)[3] == []


def test_thousands_of_slots_fit_one_round_trip(bucket: Script) -> None:
    """Without a limit of requests, any number may be granted in one call."""
    bucket.start()
    assert len(bucket.call(tpm=10_000_000, wanted=[1] * 20_000)[3]) == 60_000


def test_an_emptied_redis_grants_nothing(bucket: Script) -> None:
    """Without the epoch the requests of the last minute are unknown."""
    bucket.client.flushdb()
    assert bucket.call(rpm=10, wanted=[1]) == [b"empty"]
    assert bucket.log() == []
