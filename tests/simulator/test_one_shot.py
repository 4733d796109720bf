"""A deferred result: pending, then handed out once, within 24 hours, to its own team."""

from __future__ import annotations

import json
import socket
import time
import uuid

from simulator_thread import CHAT, KEY, SimulatorThread

DAY_S = 24 * 3600.0


def test_a_result_is_pending_then_given_once_then_gone() -> None:
    """202 with an empty body until it is ready, 200 exactly once, 404 ever after."""
    with SimulatorThread(median_s=10.0, sigma=0.0) as simulator:
        request_id = simulator.accepted()
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
    """Fetchable until 24 hours are over, unknown afterwards."""
    with SimulatorThread() as simulator:
        early, late = simulator.accepted("early"), simulator.accepted("late")
        simulator.clock.now_s += DAY_S
        assert simulator.fetch(early).status == 200
        simulator.clock.now_s += 0.001
        assert simulator.fetch(late).status == 404
        assert simulator.books()["expired"] == 1


def test_the_clock_scale_shortens_latency_and_lifetime() -> None:
    """At 3600 times the speed, an hour's latency is a second and a day is 24 seconds."""
    with SimulatorThread(median_s=3600.0, sigma=0.0, clock_scale=3600.0) as simulator:
        quick, gone = simulator.accepted("quick"), simulator.accepted("gone")
        simulator.clock.now_s += 0.99
        assert simulator.fetch(quick).status == 202
        simulator.clock.now_s += 0.01
        assert simulator.fetch(quick).status == 200
        simulator.clock.now_s += 24
        assert simulator.fetch(gone).status == 404


def test_what_nobody_fetched_is_booked_as_expired() -> None:
    """The books notice an expiry without any fetch."""
    with SimulatorThread() as simulator:
        simulator.accepted()
        simulator.clock.now_s += DAY_S + 1
        assert (simulator.books()["pending"], simulator.books()["expired"]) == (0, 1)


def test_another_team_cannot_fetch() -> None:
    """ApiKeys of another team get 404, and the result stays for its owner."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
        assert simulator.fetch(request_id, key="xai-of-somebody-else").status == 404
        assert simulator.fetch(request_id).status == 200


def test_another_key_of_the_same_team_can_fetch() -> None:
    """Results belong to teams, not to keys."""
    with SimulatorThread(team="team-1") as simulator:
        assert simulator.fetch(simulator.accepted(), key="xai-second-key-of-team").status == 200


def test_ids_that_were_never_given_are_unknown_or_malformed() -> None:
    """404 for a well-formed unknown id, 400 for what is no UUID."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
        assert uuid.UUID(request_id).version == 4
        assert simulator.fetch(str(uuid.uuid4())).status == 404
        assert simulator.fetch(request_id[:-1] + "f").status == 404
        for malformed in ("x", request_id + "0", request_id[:-1] + "g", ""):
            assert simulator.fetch(malformed).status == 400, malformed
        assert simulator.fetch(request_id.upper()).status == 200


def test_ids_of_an_earlier_life_are_unknown() -> None:
    """A restarted simulator must not hand out another job's answer."""
    with SimulatorThread() as simulator:
        request_id = simulator.accepted()
    with SimulatorThread() as simulator:
        simulator.accepted()
        assert simulator.fetch(request_id).status == 404


def test_without_deferred_the_completion_comes_with_the_reply() -> None:
    """An ordinary chat completion, with the model's real name."""
    with SimulatorThread() as simulator:
        seen = simulator.submit(deferred=False)
        assert seen.status == 200
        assert (seen.json["object"], seen.json["model"]) == ("chat.completion", "grok-4-0709")
        assert simulator.books()["outcomes"]["fetched"] == 1


def test_equal_seeds_give_equal_answers_and_others_differ() -> None:
    """Answers, tokens and latencies follow from the seed and the body alone."""

    def sizes(seed: int) -> list[object]:
        with SimulatorThread(seed=seed) as simulator:
            made = [simulator.completion(f"question {number}") for number in range(12)]
            return [(one["choices"], one["usage"]) for one in made]

    assert sizes(1) == sizes(1)
    assert sizes(1) != sizes(2)


def test_latencies_are_lognormal_around_the_median() -> None:
    """Half of the jobs are ready at the median, 84 % at exp(sigma) times it."""
    with SimulatorThread(median_s=10.0, sigma=0.8) as simulator:
        for number in range(300):
            simulator.accepted(f"question {number}")
        waits = sorted(job["ready_at"] - job["accepted_at"] for job in simulator.books(jobs=True)["jobs"])
        assert 8.0 < waits[150] < 12.5
        assert 17.0 < waits[252] < 29.0


def test_every_reply_has_a_request_id_and_chat_replies_the_limits() -> None:
    """x-request-id always; the limit headers on submits and fetches, `remaining` equal to `limit`."""
    with SimulatorThread(rpm=600, tpm=70_000) as simulator:
        submitted = simulator.submit()
        for seen in (submitted, simulator.fetch(submitted.json["request_id"])):
            assert seen.headers["x-ratelimit-limit-requests"] == "600"
            assert seen.headers["x-ratelimit-remaining-requests"] == "600"
            assert seen.headers["x-ratelimit-limit-tokens"] == "70000"
            assert seen.headers["x-ratelimit-remaining-tokens"] == "70000"
            assert "date" in seen.headers
        ids = {simulator.call("GET", "/v1/models").headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3


def test_no_limit_is_announced_unless_told_to() -> None:
    """Without limits there are no headers, with --announce-* those."""
    with SimulatorThread() as simulator:
        assert "x-ratelimit-limit-requests" not in simulator.submit().headers
    with SimulatorThread(announce_rpm=60_000, announce_tpm=50_000_000) as simulator:
        headers = simulator.submit().headers
        assert headers["x-ratelimit-limit-requests"] == "60000"
        assert headers["x-ratelimit-remaining-tokens"] == "50000000"


def test_a_slow_submission_is_accepted_midway() -> None:
    """--submit-ms is the time the server takes; it shows in the wall clock, not in the answer."""
    with SimulatorThread(submit_ms=5) as simulator:
        assert simulator.fetch(simulator.accepted()).status == 200


def test_a_client_that_hangs_up_does_not_undo_an_acceptance() -> None:
    """As with the real API, what arrived is accepted, and booked, though nobody hears the reply."""
    with SimulatorThread(submit_ms=20) as simulator:
        body = json.dumps({"model": "grok-4", "messages": [{"role": "user", "content": "x"}]}).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", simulator.running.port)) as connection:
            connection.sendall(head.encode() + body)
        until = time.monotonic() + 10
        while simulator.books()["accepted"] == 0:
            assert time.monotonic() < until
