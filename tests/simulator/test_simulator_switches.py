"""Switches: outages, limits and faults that change while the simulator runs."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest
from simulator_thread import SimulatorThread


def test_a_revoked_key_is_a_wrong_key_until_restored() -> None:
    """400 with the redacted key, on every endpoint that needs one."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
        assert simulator.switch(key_revoked=True).json["key_revoked"] is True
        for reply in (simulator.submit(), simulator.fetch(request_id), simulator.call("GET", "/v1/api-key")):
            assert reply.status == 400
            assert "Incorrect API key provided" in reply.json["error"]
        simulator.switch(key_revoked=False)
        assert simulator.fetch(request_id).status == 200


@pytest.mark.parametrize("status", [403, 429])
def test_without_credits_nothing_is_accepted_but_results_are_handed_out(status: int) -> None:
    """403 or 429 with the same text, the only difference from other refusals."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
        simulator.switch(credits_gone=True, credits_status=status)
        refused = simulator.submit()
        assert refused.status == status
        assert "used all available credits or reached its monthly spending limit" in refused.json["error"]
        assert simulator.fetch(request_id).status == 200


def test_a_model_that_is_gone_is_unknown() -> None:
    """404 on submits; accepted jobs are handed out."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
        simulator.switch(model_gone=True)
        assert simulator.submit().status == 404
        assert simulator.fetch(request_id).status == 200


def test_a_key_may_lose_its_permission() -> None:
    """403 on submits, with a text that is neither of credits nor of safety."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
        simulator.switch(permission_gone=True)
        refused = simulator.submit()
        assert (refused.status, refused.json["code"]) == (403, "permission-denied")
        assert "not authorized" in refused.json["error"]
        assert simulator.fetch(request_id).status == 200


def test_limits_can_change_without_being_announced() -> None:
    """The enforced limit falls, the announced one stays: only a 429 shows it."""
    with SimulatorThread(rpm=120, rps="none") as simulator:
        assert simulator.submit().headers["x-ratelimit-limit-requests"] == "120"
        simulator.switch(rpm=2, announce_rpm=120)
        replies = [simulator.submit() for _ in range(2)]
        assert [reply.status for reply in replies] == [200, 429]
        assert {reply.headers["x-ratelimit-limit-requests"] for reply in replies} == {"120"}
        simulator.switch(rpm=120, announce_rpm=None, tpm=50_000, announce_tpm=99_000)
        assert simulator.submit().headers["x-ratelimit-limit-tokens"] == "99000"


LIMIT, REMAINING, RESET = (f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset"))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("usual", {LIMIT: "120", REMAINING: "120"}),
        ("none", {}),
        ("limit-only", {LIMIT: "120"}),
        ("garbage", {LIMIT: "unlimited"}),
        ("per-second", {LIMIT: "2", REMAINING: "2"}),
        ("with-reset", {LIMIT: "120", REMAINING: "120", RESET: "60s"}),
    ],
)
def test_headers_of_limits_come_in_many_forms(form: str, expected: dict[str, str]) -> None:
    """Set by flag or by switch, for submits and fetches."""
    with SimulatorThread(rpm=120, rps="none", headers=form) as simulator:
        first = simulator.submit()
        simulator.switch(headers="usual")
        assert simulator.submit().headers[LIMIT] == "120"
        simulator.switch(headers=form)
        fetched = simulator.fetch(simulator.submit_id())
        for reply in (first, fetched):
            assert {
                name: reply.headers[name] for name in (LIMIT, REMAINING, RESET) if name in reply.headers
            } == expected


def test_a_service_that_is_down_refuses_or_resets_everything_but_the_books() -> None:
    """503 or a reset for all requests but switches and books."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
        simulator.switch(down=True)
        assert [simulator.submit().status, simulator.fetch(request_id).status] == [503, 503]
        simulator.switch(down="reset")
        with pytest.raises(ConnectionResetError):
            simulator.fetch(request_id)
        simulator.switch(down="page")
        assert simulator.fetch(request_id).raw.startswith(b"<!DOCTYPE html>")
        assert simulator.submit().status == 200
        assert (simulator.books()["pending"], simulator.books()["accepted"]) == (1, 1)
        simulator.switch(down=False)
        assert simulator.fetch(request_id).status == 200


def test_limits_pace_and_faults_change_live() -> None:
    """They apply from the next request on."""
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


def test_submissions_above_a_number_are_held_until_it_is_raised() -> None:
    """No more is accepted than asked for, whoever is late; held ones go on in full."""
    with SimulatorThread(submit_ms=1) as simulator, ThreadPoolExecutor(4) as clients:
        simulator.switch(hold_after=2)
        replies = [clients.submit(simulator.submit) for _ in range(4)]
        done, held = wait(replies, timeout=20, return_when=FIRST_COMPLETED)
        simulator.switch(hold_after=3)
        while len(done) < 3:
            new, held = wait(held, timeout=20, return_when=FIRST_COMPLETED)
            done |= new
        assert (len(held), simulator.books()["accepted"]) == (1, 3)
        simulator.switch(hold_after=None)
        assert {reply.result().status for reply in replies} == {200}
        assert simulator.books()["accepted"] == 4


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"rpm": 0},
        {"rpm": True},
        {"down": "maybe"},
        {"key_revoked": 1},
        {"median_s": -1},
        {"hold_after": -1},
        {"faults": {"x": 1}},
        {"faults": []},
        {"credits_status": 500},
        {"headers": "many"},
        {"announce_rpm": 0},
        {"announce_tpm": "none"},
    ],
)
def test_an_invalid_change_changes_nothing(change: dict[str, object]) -> None:
    """400 with the reason, and the valid part is not applied either."""
    with SimulatorThread() as simulator:
        before = simulator.call("GET", "/_switch").json
        assert simulator.switch(model_gone=True, **change).status == 400
        assert simulator.call("GET", "/_switch").json == before
        assert simulator.call("POST", "/_switch", b"[]").status == 400
        assert simulator.call("POST", "/_switch", b"{").status == 400
