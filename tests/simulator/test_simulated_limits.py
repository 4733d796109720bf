"""Rate limits: requests per minute and second, tokens per minute, per team and model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from simulator_thread import KEY, SimulatorThread

from runner.simulator.windows import MINUTE_S, SECOND_S, Limits, Window

MINI = "grok-4.3"


def test_one_request_too_many_in_a_minute_is_refused_and_the_next_minute_is_free() -> None:
    """The window slides: a request stops counting exactly 60 s later."""
    with SimulatorThread(rpm=3, rps="none") as simulator:
        for _ in range(3):
            assert simulator.submit().status == 200
            simulator.clock.now_s += 10
        refused = simulator.submit()
        assert refused.status == 429
        assert "Requests per Minute (actual/limit): 4/3" in refused.json["error"]
        assert refused.json["code"] == "resource-exhausted"
        simulator.clock.now_s += 29.999
        assert simulator.submit().status == 429
        simulator.clock.now_s += 0.001
        assert simulator.submit().status == 200
        assert simulator.submit().status == 429
        assert simulator.books()["refused"] == {"429": 3}


def test_refused_requests_cost_nothing() -> None:
    """A 429 is not accepted, not charged and not in the peaks."""
    with SimulatorThread(rpm=2, rps="none") as simulator:
        for _ in range(10):
            simulator.submit()
        books = simulator.books()
        assert (books["accepted"], books["refused"]["429"]) == (2, 8)
        assert books["peaks"]["grok-4-0709"]["rpm"] == 2


def test_the_second_allows_a_48th_of_the_minute_but_two_at_least() -> None:
    """By default RPS = max(2, RPM / 48)."""
    for rpm, rps in ((60, 2), (96, 2), (480, 10)):
        with SimulatorThread(rpm=rpm) as simulator:
            assert [simulator.submit().status for _ in range(rps)] == [200] * rps
            refused = simulator.submit()
            assert refused.status == 429
            assert f"Requests per Second (actual/limit): {rps + 1}/{rps}" in refused.json["error"]
            simulator.clock.now_s += SECOND_S
            assert simulator.submit().status == 200


def test_tokens_are_charged_as_the_answer_will_have_them() -> None:
    """The total tokens of each answer are charged at acceptance."""
    with SimulatorThread(tpm=200_000) as simulator:
        total = sum(simulator.completion()["usage"]["total_tokens"] for _ in range(2))
    with SimulatorThread(tpm=total - 1) as simulator:
        assert simulator.submit().status == 200
        refused = simulator.submit()
        assert refused.status == 429
        assert f"Tokens per Minute (actual/limit): {total}/{total - 1}" in refused.json["error"]
    with SimulatorThread(tpm=total) as simulator:
        assert [simulator.submit().status for _ in range(3)] == [200, 200, 429]
        assert simulator.books()["peaks"]["grok-4-0709"]["tpm"] == total


def test_limits_are_per_team_and_per_model_and_aliases_share_one() -> None:
    """Each team and each model has its own window; grok-4 and grok-4-0709 share one."""
    with SimulatorThread(rpm=1, rps="none") as simulator:
        assert simulator.submit(model="grok-4").status == 200
        assert simulator.submit(model="grok-4-0709").status == 429
        assert simulator.submit(model=MINI).status == 200
        assert simulator.submit(key="xai-of-another-team").status == 200


def test_the_catalogue_limits_apply_by_default() -> None:
    """grok-4-0709 has 120 requests per minute and 2 per second."""
    with SimulatorThread(rpm="catalogue", tpm="catalogue") as simulator:
        statuses = []
        for _ in range(121):
            statuses.append(simulator.submit().status)
            simulator.clock.now_s += 0.49 if len(statuses) % 2 == 0 else 0.001
        assert statuses.count(429) > 0
        assert simulator.submit().headers["x-ratelimit-limit-requests"] == "120"


def test_polls_are_free_unless_they_count() -> None:
    """With --polls-count a poll of a known job counts in RPM and RPS and may be refused."""
    with SimulatorThread(rpm=2, rps="none", median_s=50.0, sigma=0.0) as simulator:
        request_id = simulator.submit_id()
        assert [simulator.fetch(request_id).status for _ in range(5)] == [202] * 5
    with SimulatorThread(rpm=2, rps="none", median_s=50.0, sigma=0.0, polls_count=True) as simulator:
        request_id = simulator.submit_id()
        assert [simulator.fetch(request_id).status for _ in range(3)] == [202, 429, 429]
        assert simulator.books()["polls_refused"] == {"429": 2}
        simulator.clock.now_s += MINUTE_S
        assert simulator.fetch(request_id).status == 200


def test_retry_after_is_sent_only_if_set() -> None:
    """--retry-after adds it to every 429; the real API does not document it."""
    with SimulatorThread(rpm=1, rps="none") as simulator:
        simulator.submit()
        assert "retry-after" not in simulator.submit().headers
    with SimulatorThread(rpm=1, rps="none", retry_after=2.5) as simulator:
        simulator.submit()
        assert simulator.submit().headers["retry-after"] == "2.5"


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50)), max_size=80),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(20, 120),
)
def test_no_window_ever_exceeds_the_limit(
    steps: list[tuple[float, int]], rpm: int, rps: int, tpm: int
) -> None:
    """Accepted requests stay within the limits in any 60 s and any 1 s; a request that fits is accepted."""
    window, limits = Window(), Limits(rpm=rpm, tpm=tpm, rps=rps)
    passed: list[tuple[float, int]] = []
    now = 0.0
    for step, tokens in steps:
        now += step
        minute = [one for at, one in passed if at > now - MINUTE_S]
        second = [one for at, one in passed if at > now - SECOND_S]
        fits = len(minute) < rpm and len(second) < rps and (not tokens or sum(minute) + tokens <= tpm)
        assert (window.broken_limit(now, tokens, limits) is None) == fits
        if fits:
            window.charge(now, tokens)
            passed.append((now, tokens))
    assert window.peak_rpm <= rpm
    assert window.peak_rps <= rps
    assert window.peak_tpm <= tpm


def test_a_key_has_the_team_that_its_card_shows() -> None:
    """Limits are per team, and /v1/api-key shows the team."""
    with SimulatorThread(rpm=1, rps="none") as simulator:
        team = simulator.call("GET", "/v1/api-key", key=KEY).json["team_id"]
        simulator.submit()
        assert f"team {team} and model grok-4-0709" in simulator.submit().json["error"]
