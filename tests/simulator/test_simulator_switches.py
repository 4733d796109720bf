"""The simulator's troubles, switched on and off while the simulator runs."""

from __future__ import annotations

import pytest
from simulator_thread import SimulatorThread


def test_a_revoked_key_is_a_wrong_key_until_restored() -> None:
    """400 naming the key, on every endpoint that asks for one."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
        assert simulator.switch(key_revoked=True).json["key_revoked"] is True
        for seen in (simulator.submit(), simulator.fetch(request_id), simulator.call("GET", "/v1/api-key")):
            assert seen.status == 400
            assert "Incorrect API key provided" in seen.json["error"]
        simulator.switch(key_revoked=False)
        assert simulator.fetch(request_id).status == 200


@pytest.mark.parametrize("status", [403, 429])
def test_without_credits_nothing_is_accepted_but_results_are_given(status: int) -> None:
    """403 or 429 by the same text, which is all there is to tell it from other refusals."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
        simulator.switch(credits_gone=True, credits_status=status)
        refused = simulator.submit()
        assert refused.status == status
        assert "used all available credits or reached its monthly spending limit" in refused.json["error"]
        assert simulator.fetch(request_id).status == 200


def test_a_model_that_is_gone_is_unknown() -> None:
    """404 on submissions; what is under way is handed out."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
        simulator.switch(model_gone=True)
        assert simulator.submit().status == 404
        assert simulator.fetch(request_id).status == 200


def test_a_key_may_lose_its_permission() -> None:
    """403 on submissions, in words of neither credits nor safety."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
        simulator.switch(permission_gone=True)
        refused = simulator.submit()
        assert (refused.status, refused.json["code"]) == (403, "permission-denied")
        assert "not authorized" in refused.json["error"]
        assert simulator.fetch(request_id).status == 200


def test_limits_can_change_in_silence() -> None:
    """What is enforced falls, what is announced stays: nobody is told but by 429."""
    with SimulatorThread(rpm=120, rps="none") as simulator:
        assert simulator.submit().headers["x-ratelimit-limit-requests"] == "120"
        simulator.switch(rpm=2, announce_rpm=120)
        seen = [simulator.submit() for _ in range(2)]
        assert [one.status for one in seen] == [200, 429]
        assert {one.headers["x-ratelimit-limit-requests"] for one in seen} == {"120"}
        simulator.switch(rpm=120, announce_rpm=None, tpm=50_000, announce_tpm=99_000)
        assert simulator.submit().headers["x-ratelimit-limit-tokens"] == "99000"


LIMIT, REMAINING, RESET = (f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset"))


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("usual", {LIMIT: "120", REMAINING: "120"}),
        ("none", {}),
        ("limit-only", {LIMIT: "120"}),
        ("garbage", {LIMIT: "unlimited"}),
        ("per-second", {LIMIT: "2", REMAINING: "2"}),
        ("with-reset", {LIMIT: "120", REMAINING: "120", RESET: "60s"}),
    ],
)
def test_headers_of_limits_come_in_many_forms(form: str, told: dict[str, str]) -> None:
    """By flag or by switch, on submits and fetches alike."""
    with SimulatorThread(rpm=120, rps="none", headers=form) as simulator:
        first = simulator.submit()
        simulator.switch(headers="usual")
        assert simulator.submit().headers[LIMIT] == "120"
        simulator.switch(headers=form)
        fetched = simulator.fetch(simulator.accepted())
        for seen in (first, fetched):
            assert {
                name: seen.headers[name] for name in (LIMIT, REMAINING, RESET) if name in seen.headers
            } == told


def test_a_service_that_is_down_refuses_or_resets_everything_but_the_books() -> None:
    """503 for all, or a reset for all; switches and books stay reachable."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
        simulator.switch(down=True)
        assert [simulator.submit().status, simulator.fetch(request_id).status] == [503, 503]
        simulator.switch(down="reset")
        with pytest.raises(ConnectionResetError):
            simulator.fetch(request_id)
        assert simulator.books()["pending"] == 1
        simulator.switch(down=False)
        assert simulator.fetch(request_id).status == 200


def test_limits_pace_and_faults_change_live() -> None:
    """The next request sees them."""
    with SimulatorThread() as simulator:
        simulator.switch(rpm=1, rps="none", tpm=50_000)
        assert [simulator.submit().status for _ in range(2)] == [200, 429]
        assert simulator.submit().headers["x-ratelimit-limit-tokens"] == "50000"
        simulator.switch(rpm="catalogue", median_s=30.0)
        assert simulator.submit().headers["x-ratelimit-limit-requests"] == "120"
        simulator.switch(rpm=None, tpm="none", faults={"503": 1.0})
        assert simulator.submit().status == 503
        shown = simulator.call("GET", "/_switch").json
        assert (shown["rpm"], shown["median_s"], shown["faults"]) == ("none", 30.0, {"503": 1.0})


@pytest.mark.parametrize(
    "wish",
    [
        {"unknown": 1},
        {"rpm": 0},
        {"rpm": True},
        {"down": "maybe"},
        {"key_revoked": 1},
        {"median_s": -1},
        {"faults": {"x": 1}},
        {"faults": []},
        {"credits_status": 500},
        {"headers": "many"},
        {"announce_rpm": 0},
        {"announce_tpm": "none"},
    ],
)
def test_a_wish_that_makes_no_sense_changes_nothing(wish: dict[str, object]) -> None:
    """400 with the reason, and not even the sensible part is adopted."""
    with SimulatorThread() as simulator:
        before = simulator.call("GET", "/_switch").json
        assert simulator.switch(model_gone=True, **wish).status == 400
        assert simulator.call("GET", "/_switch").json == before
        assert simulator.call("POST", "/_switch", b"[]").status == 400
        assert simulator.call("POST", "/_switch", b"{").status == 400
