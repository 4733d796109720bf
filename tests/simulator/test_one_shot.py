"""A deferred result: pending, then handed out once, within 24 hours, to its own team."""

from __future__ import annotations

import json
import socket
import time
import uuid

from worlds import CHAT, KEY, World

DAY_S = 24 * 3600.0


def test_a_result_is_pending_then_given_once_then_gone() -> None:
    """202 with an empty body until it is ready, 200 exactly once, 404 ever after."""
    with World(median_s=10.0, sigma=0.0) as world:
        request_id = world.accepted()
        pending = world.fetch(request_id)
        assert (pending.status, pending.raw) == (202, b"")
        world.clock.now_s += 9.9
        assert world.fetch(request_id).status == 202
        world.clock.now_s += 0.1
        done = world.fetch(request_id)
        assert done.status == 200
        assert done.json["object"] == "chat.completion"
        assert world.fetch(request_id).status == 404


def test_a_result_expires_24_hours_after_acceptance() -> None:
    """Fetchable until 24 hours are over, unknown afterwards."""
    with World() as world:
        early, late = world.accepted("early"), world.accepted("late")
        world.clock.now_s += DAY_S
        assert world.fetch(early).status == 200
        world.clock.now_s += 0.001
        assert world.fetch(late).status == 404
        assert world.books()["expired"] == 1


def test_the_clock_scale_shortens_latency_and_lifetime() -> None:
    """At 3600 times the speed, an hour's latency is a second and a day is 24 seconds."""
    with World(median_s=3600.0, sigma=0.0, clock_scale=3600.0) as world:
        quick, gone = world.accepted("quick"), world.accepted("gone")
        world.clock.now_s += 0.99
        assert world.fetch(quick).status == 202
        world.clock.now_s += 0.01
        assert world.fetch(quick).status == 200
        world.clock.now_s += 24
        assert world.fetch(gone).status == 404


def test_what_nobody_fetched_is_booked_as_expired() -> None:
    """The books notice an expiry without any fetch."""
    with World() as world:
        world.accepted()
        world.clock.now_s += DAY_S + 1
        assert (world.books()["pending"], world.books()["expired"]) == (0, 1)


def test_another_team_cannot_fetch() -> None:
    """Keys of another team get 404, and the result stays for its owner."""
    with World() as world:
        request_id = world.accepted()
        assert world.fetch(request_id, key="xai-of-somebody-else").status == 404
        assert world.fetch(request_id).status == 200


def test_another_key_of_the_same_team_can_fetch() -> None:
    """Results belong to teams, not to keys."""
    with World(team="team-1") as world:
        assert world.fetch(world.accepted(), key="xai-second-key-of-team").status == 200


def test_ids_that_were_never_given_are_unknown_or_malformed() -> None:
    """404 for a well-formed unknown id, 400 for what is no UUID."""
    with World() as world:
        request_id = world.accepted()
        assert uuid.UUID(request_id).version == 4
        assert world.fetch(str(uuid.uuid4())).status == 404
        assert world.fetch(request_id[:-1] + "f").status == 404
        for malformed in ("x", request_id + "0", request_id[:-1] + "g", ""):
            assert world.fetch(malformed).status == 400, malformed
        assert world.fetch(request_id.upper()).status == 200


def test_ids_of_an_earlier_life_are_unknown() -> None:
    """A restarted simulator must not hand out another job's answer."""
    with World() as world:
        request_id = world.accepted()
    with World() as world:
        world.accepted()
        assert world.fetch(request_id).status == 404


def test_without_deferred_the_completion_comes_with_the_reply() -> None:
    """An ordinary chat completion, with the model's real name."""
    with World() as world:
        seen = world.submit(deferred=False)
        assert seen.status == 200
        assert (seen.json["object"], seen.json["model"]) == ("chat.completion", "grok-4-0709")
        assert world.books()["outcomes"]["fetched"] == 1


def test_equal_seeds_give_equal_answers_and_others_differ() -> None:
    """Answers, tokens and latencies follow from the seed and the body alone."""

    def sizes(seed: int) -> list[object]:
        with World(seed=seed) as world:
            made = [world.completion(f"question {number}") for number in range(12)]
            return [(one["choices"], one["usage"]) for one in made]

    assert sizes(1) == sizes(1)
    assert sizes(1) != sizes(2)


def test_latencies_are_lognormal_around_the_median() -> None:
    """Half of the jobs are ready at the median, 84 % at exp(sigma) times it."""
    with World(median_s=10.0, sigma=0.8) as world:
        for number in range(300):
            world.accepted(f"question {number}")
        waits = sorted(job["ready_at"] - job["accepted_at"] for job in world.books(jobs=True)["jobs"])
        assert 8.0 < waits[150] < 12.5
        assert 17.0 < waits[252] < 29.0


def test_every_reply_has_a_request_id_and_chat_replies_the_limits() -> None:
    """x-request-id always; the limit headers on submits and fetches, `remaining` equal to `limit`."""
    with World(rpm=600, tpm=70_000) as world:
        submitted = world.submit()
        for seen in (submitted, world.fetch(submitted.json["request_id"])):
            assert seen.headers["x-ratelimit-limit-requests"] == "600"
            assert seen.headers["x-ratelimit-remaining-requests"] == "600"
            assert seen.headers["x-ratelimit-limit-tokens"] == "70000"
            assert seen.headers["x-ratelimit-remaining-tokens"] == "70000"
            assert "date" in seen.headers
        ids = {world.call("GET", "/v1/models").headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3


def test_no_limit_is_announced_unless_told_to() -> None:
    """Without limits there are no headers, with --announce-* those."""
    with World() as world:
        assert "x-ratelimit-limit-requests" not in world.submit().headers
    with World(announce_rpm=60_000, announce_tpm=50_000_000) as world:
        headers = world.submit().headers
        assert headers["x-ratelimit-limit-requests"] == "60000"
        assert headers["x-ratelimit-remaining-tokens"] == "50000000"


def test_a_slow_submission_is_accepted_midway() -> None:
    """--submit-ms is the time the server takes; it shows in the wall clock, not in the answer."""
    with World(submit_ms=5) as world:
        assert world.fetch(world.accepted()).status == 200


def test_a_client_that_hangs_up_does_not_undo_an_acceptance() -> None:
    """As with the real API, what arrived is accepted, and booked, though nobody hears the reply."""
    with World(submit_ms=20) as world:
        body = json.dumps({"model": "grok-4", "messages": [{"role": "user", "content": "x"}]}).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", world.running.port)) as connection:
            connection.sendall(head.encode() + body)
        until = time.monotonic() + 10
        while world.books()["accepted"] == 0:
            assert time.monotonic() < until
