"""Deferred results: handed out once, within 24 hours, to the team of the job."""

from __future__ import annotations

import json
import socket
import time
import uuid

from simulator_thread import CHAT, KEY, TIMEOUT_S, SimulatorThread

DAY_S = 24 * 3600.0


def test_a_result_is_pending_then_handed_out_once_then_gone() -> None:
    """202 with an empty body until it is ready, then 200 once, then 404."""
    with SimulatorThread(median_s=10.0, sigma=0.0) as simulator:
        request_id = simulator.submit_id()
        pending = simulator.fetch(request_id)
        assert (pending.status, pending.raw) == (202, b"")
        simulator.clock.now_s += 9.9
        assert simulator.fetch(request_id).status == 202
        simulator.clock.now_s += 0.1
        done = simulator.fetch(request_id)
        assert done.status == 200
        assert done.json["object"] == "chat.completion"
        assert simulator.fetch(request_id).status == 404


def test_a_result_expires_24_hours_after_acceptance() -> None:
    """It can be fetched for 24 hours, then it is a 404."""
    with SimulatorThread() as simulator:
        early, late = simulator.submit_id("early"), simulator.submit_id("late")
        simulator.clock.now_s += DAY_S
        assert simulator.fetch(early).status == 200
        simulator.clock.now_s += 0.001
        assert simulator.fetch(late).status == 404
        assert simulator.books()["expired"] == 1


def test_the_clock_scale_shortens_latency_and_lifetime() -> None:
    """With a scale of 3600, a latency of an hour is a second and a day is 24 seconds."""
    with SimulatorThread(median_s=3600.0, sigma=0.0, clock_scale=3600.0) as simulator:
        quick, gone = simulator.submit_id("quick"), simulator.submit_id("gone")
        simulator.clock.now_s += 0.99
        assert simulator.fetch(quick).status == 202
        simulator.clock.now_s += 0.01
        assert simulator.fetch(quick).status == 200
        simulator.clock.now_s += 24
        assert simulator.fetch(gone).status == 404


def test_an_unfetched_result_is_counted_as_expired() -> None:
    """The books count an expiry without a fetch."""
    with SimulatorThread() as simulator:
        simulator.submit_id()
        simulator.clock.now_s += DAY_S + 1
        assert (simulator.books()["pending"], simulator.books()["expired"]) == (0, 1)


def test_another_team_cannot_fetch() -> None:
    """A key of another team gets 404, and the result stays."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
        assert simulator.fetch(request_id, key="xai-of-another-team").status == 404
        assert simulator.fetch(request_id).status == 200


def test_another_key_of_the_same_team_can_fetch() -> None:
    """Results belong to the team, not to the key."""
    with SimulatorThread(team="team-1") as simulator:
        assert simulator.fetch(simulator.submit_id(), key="xai-second-key-of-team").status == 200


def test_other_ids_are_unknown_or_malformed() -> None:
    """404 for an unknown UUID, 400 for anything else."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
        assert uuid.UUID(request_id).version == 4
        assert simulator.fetch(str(uuid.uuid4())).status == 404
        assert simulator.fetch(request_id[:-1] + "f").status == 404
        for malformed in ("x", request_id + "0", request_id[:-1] + "g", ""):
            assert simulator.fetch(malformed).status == 400, malformed
        assert simulator.fetch(request_id.upper()).status == 200


def test_ids_of_an_earlier_process_are_unknown() -> None:
    """A restarted simulator must not hand out the answer of another job."""
    with SimulatorThread() as simulator:
        request_id = simulator.submit_id()
    with SimulatorThread() as simulator:
        simulator.submit_id()
        assert simulator.fetch(request_id).status == 404


def test_without_deferred_the_completion_comes_with_the_reply() -> None:
    """A chat.completion with the id of the model, not the alias."""
    with SimulatorThread() as simulator:
        reply = simulator.submit(deferred=False)
        assert reply.status == 200
        assert (reply.json["object"], reply.json["model"]) == ("chat.completion", "grok-4-0709")
        assert simulator.books()["outcomes"]["fetched"] == 1


def test_equal_seeds_give_equal_answers_and_others_differ() -> None:
    """Answers, tokens and latencies depend on the seed and the body only."""

    def sizes(seed: int) -> list[object]:
        with SimulatorThread(seed=seed) as simulator:
            made = [simulator.completion(f"question {number}") for number in range(12)]
            return [(one["choices"], one["usage"]) for one in made]

    assert sizes(1) == sizes(1)
    assert sizes(1) != sizes(2)


def test_latencies_are_lognormal_around_the_median() -> None:
    """Half of the jobs are ready at the median, 84 % at exp(sigma) times the median."""
    with SimulatorThread(median_s=10.0, sigma=0.8) as simulator:
        for number in range(300):
            simulator.submit_id(f"question {number}")
        waits = sorted(job["ready_at"] - job["accepted_at"] for job in simulator.books(jobs=True)["jobs"])
        assert 8.0 < waits[150] < 12.5
        assert 17.0 < waits[252] < 29.0


def test_every_reply_has_a_request_id_and_chat_replies_the_limits() -> None:
    """Submits and fetches have limit headers, with `remaining` equal to `limit`."""
    with SimulatorThread(rpm=600, tpm=70_000) as simulator:
        submitted = simulator.submit()
        for reply in (submitted, simulator.fetch(submitted.json["request_id"])):
            assert reply.headers["x-ratelimit-limit-requests"] == "600"
            assert reply.headers["x-ratelimit-remaining-requests"] == "600"
            assert reply.headers["x-ratelimit-limit-tokens"] == "70000"
            assert reply.headers["x-ratelimit-remaining-tokens"] == "70000"
            assert "date" in reply.headers
        ids = {simulator.call("GET", "/v1/models").headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3


def test_no_limit_is_announced_unless_set() -> None:
    """Without limits there are no headers, except those of --announce-rpm and --announce-tpm."""
    with SimulatorThread() as simulator:
        assert "x-ratelimit-limit-requests" not in simulator.submit().headers
    with SimulatorThread(announce_rpm=60_000, announce_tpm=50_000_000) as simulator:
        headers = simulator.submit().headers
        assert headers["x-ratelimit-limit-requests"] == "60000"
        assert headers["x-ratelimit-remaining-tokens"] == "50000000"


def test_a_slow_submission_is_accepted() -> None:
    """--submit-ms delays the reply and does not change the answer."""
    with SimulatorThread(submit_ms=5) as simulator:
        assert simulator.fetch(simulator.submit_id()).status == 200


def test_a_client_that_disconnects_does_not_undo_an_acceptance() -> None:
    """As at the real API, a received request is accepted although no client reads the reply."""
    with SimulatorThread(submit_ms=20) as simulator:
        body = json.dumps({"model": "grok-4", "messages": [{"role": "user", "content": "x"}]}).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", simulator.server.port)) as connection:
            connection.sendall(head.encode() + body)
        until = time.monotonic() + TIMEOUT_S
        while simulator.books()["accepted"] == 0:
            assert time.monotonic() < until
