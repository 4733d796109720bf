"""Every fault with rate 1: what the client receives and what the books count."""

from __future__ import annotations

import http.client
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_thread import SimulatorThread

from runner.simulator.faults import KINDS_BY_POINT, Faults, parse_rates
from runner.simulator.gateway_faults import ECHOES


@pytest.mark.parametrize(
    ("kind", "status", "accepted"),
    [
        *[("429", 429, 0), ("500", 500, 0), ("503", 503, 0), ("500_after", 500, 1)],
        *[("capacity", 429, 0), ("520", 520, 0), ("safety", 403, 0), ("403_page", 403, 0)],
        *[(status, int(status), 0) for status in ("409", "425", "499", "521", "529")],
        ("200_page", 200, 0),
        *[(status, int(status), 0) for status in ("522", "523", "524", "525", "526", "530")],
        *[("404_detail", 404, 0), ("404_empty", 404, 0), ("404_text", 404, 0), ("404_page", 404, 0)],
        *[("200_text", 200, 0), ("200_status", 200, 0), ("200_empty", 200, 0), ("model-words", 400, 0)],
        *[("echo_400", 400, 0), ("echo_403", 403, 0), ("echo_500", 500, 0), ("echo_page", 200, 0)],
        *[("echo_text", 200, 0), ("418", 418, 0)],
    ],
)
def test_submits_that_are_answered_with_an_error(kind: str, status: int, accepted: int) -> None:
    """Only 500_after is accepted, and its result cannot be fetched."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        assert simulator.submit().status == status
        books = simulator.books(jobs=True)
        assert books["accepted"] == books["unanswered"] == accepted
        assert books["faults"] == {kind: 1}
        assert books["refused"] == ({} if accepted else {str(status): 1})
        assert [(job["outcome"], job["reply"]) for job in books["jobs"]] == [("unanswered", "500")] * accepted


@pytest.mark.parametrize(("kind", "accepted"), [("reset_before", 0), ("reset_after", 1)])
def test_submits_whose_connection_is_reset(kind: str, accepted: int) -> None:
    """The client cannot distinguish the two; the books do."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        with pytest.raises(ConnectionResetError):
            simulator.submit()
        books = simulator.books()
        assert (books["accepted"], books["unanswered"]) == (accepted, accepted)
        assert books["faults"] == {kind: 1}


def test_a_hang_is_accepted_or_not_and_ends_without_a_reply() -> None:
    """About half of the submits are accepted."""
    with SimulatorThread(faults={"hang": 1.0}, hang_s=0.0) as simulator:
        for number in range(60):
            with pytest.raises(ConnectionResetError):
                simulator.submit(f"question {number}")
        books = simulator.books(jobs=True)
        assert books["faults"] == {"hang": 60}
        assert 15 < books["accepted"] < 45
        assert {job["reply"] for job in books["jobs"]} == {"hang"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("fetch:429", 429),
        ("fetch:500", 500),
        ("fetch:503", 503),
        ("fetch:521", 521),
        ("fetch:403_page", 403),
        *((f"fetch:{status}", status) for status in (522, 523, 524, 525, 526, 530)),
        ("fetch:404_text", 404),
        ("fetch:404_detail", 404),
        ("fetch:echo_403", 403),
    ],
)
def test_a_failed_fetch_does_not_consume_the_result(kind: str, status: int) -> None:
    """The next fetch gets the result."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        request_id = simulator.submit_id()
        assert simulator.fetch(request_id).status == status
        simulator.switch(faults={})
        assert simulator.fetch(request_id).status == 200
        assert simulator.books()["polls_refused"] == {str(status): 1}


def test_a_reset_before_the_fetch_does_not_consume_the_result() -> None:
    """The connection is reset; the next fetch gets the result."""
    with SimulatorThread(faults={"fetch:reset_before": 1.0}) as simulator:
        request_id = simulator.submit_id()
        with pytest.raises(ConnectionResetError):
            simulator.fetch(request_id)
        simulator.switch(faults={})
        assert simulator.fetch(request_id).status == 200


def test_garbage_is_not_json_and_consumes_the_result() -> None:
    """A 200 whose body cannot be parsed."""
    with SimulatorThread(faults={"garbage": 1.0}) as simulator:
        request_id = simulator.submit_id()
        reply = simulator.fetch(request_id)
        assert reply.status == 200
        with pytest.raises(ValueError, match=r".*"):
            json.loads(reply.raw)
        assert simulator.fetch(request_id).status == 404
        assert simulator.books()["outcomes"]["garbage"] == 1


def test_a_cut_body_is_shorter_than_announced_and_consumes_the_result() -> None:
    """Half of the body is sent, then the connection closes."""
    with SimulatorThread(faults={"cut": 1.0}) as simulator:
        request_id = simulator.submit_id()
        with pytest.raises(http.client.IncompleteRead) as caught:
            simulator.fetch(request_id)
        assert caught.value.partial.startswith(b'{"id":')
        assert caught.value.expected is not None
        assert caught.value.expected > 0
        assert simulator.fetch(request_id).status == 404
        books = simulator.books()
        assert (books["outcomes"]["cut"], books["fetched"], books["ticks_fetched"]) == (1, 1, 0)


def test_a_lost_result_was_accepted_and_is_gone() -> None:
    """404 although the result was never handed out."""
    with SimulatorThread(faults={"lost": 1.0}) as simulator:
        request_id = simulator.submit_id()
        assert [simulator.fetch(request_id).status for _ in range(2)] == [404, 404]
        assert (simulator.books()["lost"], simulator.books()["fetched"]) == (1, 0)


def test_a_failed_generation_is_an_error_in_a_200() -> None:
    """An error object without choices and usage."""
    with SimulatorThread(faults={"failed": 1.0}) as simulator:
        reply = simulator.fetch(simulator.submit_id())
        assert reply.status == 200
        assert sorted(reply.json) == ["code", "error"]
        assert "deferred generation failed" in reply.json["error"]
        assert simulator.books()["ticks_fetched"] == 0


def test_a_completion_without_choices_still_bills() -> None:
    """A chat.completion with empty choices and a usage."""
    with SimulatorThread(faults={"no_choices": 1.0}) as simulator:
        reply = simulator.fetch(simulator.submit_id())
        assert reply.json["choices"] == []
        assert simulator.books()["ticks_fetched"] == reply.json["usage"]["cost_in_usd_ticks"]


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        ("empty200", b""),
        ("html200", b"<!DOCTYPE html>"),
        ("trunc200", b'{"id":'),
        ("err200", b'{"error":{"message":"upstream connect error"'),
        ("pending200", b'{"status":"pending"}'),
    ],
)
def test_what_a_proxy_sends_instead_of_a_result_does_not_consume_it(kind: str, beginning: bytes) -> None:
    """A 200, whole by its length, and no answer; the next fetch gets the result."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        request_id = simulator.submit_id()
        replies = [simulator.fetch(request_id) for _ in range(2)]
        assert [reply.status for reply in replies] == [200, 200]
        assert all(reply.raw.startswith(beginning) for reply in replies)
        assert all(b"fingerprint" not in reply.raw for reply in replies), "never the whole result"
        assert (simulator.books()["pending"], simulator.books()["faults"]) == (1, {kind: 2})
        simulator.switch(faults={})
        assert simulator.fetch(request_id).json["choices"]
        assert simulator.fetch(request_id).status == 404


@pytest.mark.parametrize(
    ("kind", "part"), [("lone", rb'"content":"\ud83d'), ("bom", b'\xef\xbb\xbf{"id"')], ids=["lone", "bom"]
)
def test_an_odd_form_of_the_result_is_the_result(kind: str, part: bytes) -> None:
    """Half an emoji in its text, or a byte order mark before it: handed out once, and billed."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        request_id = simulator.submit_id()
        reply = simulator.fetch(request_id)
        assert part in reply.raw
        assert simulator.books()["ticks_fetched"] == reply.json["usage"]["cost_in_usd_ticks"]
        assert simulator.fetch(request_id).status == 404


def test_result_faults_are_drawn_for_ready_results() -> None:
    """A poll of a pending job loses nothing: the rate is per result, not per poll."""
    with SimulatorThread(faults={"lost": 1.0}, median_s=5.0, sigma=0.0) as simulator:
        request_id = simulator.submit_id()
        assert [simulator.fetch(request_id).status for _ in range(3)] == [202] * 3
        simulator.switch(faults={})
        simulator.clock.now_s += 5
        assert simulator.fetch(request_id).status == 200


def test_a_refused_request_is_refused_whatever_the_fault() -> None:
    """A fault after acceptance is not applied to a refused submit."""
    with SimulatorThread(faults={"reset_after": 1.0}) as simulator:
        assert simulator.submit(model="grok-99").status == 404
        assert simulator.books()["faults"] == {}


def test_capacity_safety_and_proxy_errors_have_the_texts_of_the_api() -> None:
    """Capacity and safety differ from other refusals by their text only; a 520 is an HTML page."""
    with SimulatorThread(faults={"capacity": 1.0}) as simulator:
        assert "at capacity due to high demand" in simulator.submit().json["error"]
        simulator.switch(faults={"safety": 1.0})
        assert "Failed check: SAFETY_CHECK_TYPE" in simulator.submit().json["error"]
        simulator.switch(faults={"520": 1.0})
        reply = simulator.submit()
        assert reply.headers["content-type"].startswith("text/html")
        assert reply.raw.startswith(b"<!DOCTYPE html>")


def test_a_prompt_with_the_marker_is_refused_by_a_firewall() -> None:
    """The same page as the fault, at each try; other requests get through."""
    with SimulatorThread() as simulator:
        replies = [simulator.submit(prompt).status for prompt in ("a [simulate:firewall] b", "a b")]
        assert replies == [403, 200]
        assert simulator.books()["refused"] == {"403": 1}


@pytest.mark.parametrize("kind", ["403_page", "200_page", "520", "521"])
def test_what_stands_before_the_api_answers_with_a_page(kind: str) -> None:
    """HTML with its own type, as firewalls, login pages and proxies send it."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        reply = simulator.submit()
        assert reply.headers["content-type"].startswith("text/html")
        assert reply.raw.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("kind", ECHOES)
def test_a_gateway_may_repeat_what_a_request_brought(kind: str) -> None:
    """The key, and what the switch `echo` says."""
    with SimulatorThread(faults={kind: 1.0}) as simulator:
        simulator.switch(echo="hunter2")
        raw = simulator.submit().raw.decode()
        assert "Bearer xai-" in raw
        assert "hunter2" in raw


@pytest.mark.parametrize(("kind", "status"), [("201", 201), ("203", 203)])
def test_a_result_may_come_with_another_status(kind: str, status: int) -> None:
    """Whole, and consumed like any other."""
    with SimulatorThread(faults={kind: 1.0}, median_s=0.0) as simulator:
        request_id = simulator.submit().json["request_id"]
        reply = simulator.fetch(request_id)
        assert (reply.status, reply.json["object"]) == (status, "chat.completion")
        assert simulator.fetch(request_id).status == 404


def test_a_gateway_that_drops_deferred_answers_at_once() -> None:
    """The answer is billed and handed out; there is no request id to fetch it by."""
    with SimulatorThread(faults={"not_deferred": 1.0}) as simulator:
        reply = simulator.submit()
        assert (reply.status, reply.json["object"]) == (200, "chat.completion")
        books = simulator.books(jobs=True)
        assert (books["accepted"], books["fetched"], books["pending"]) == (1, 1, 0)
        assert books["ticks_fetched"] == reply.json["usage"]["cost_in_usd_ticks"]
        assert [(job["outcome"], job["reply"]) for job in books["jobs"]] == [("fetched", "answer")]
        assert books["faults"] == {"not_deferred": 1}


def test_a_prompt_with_the_marker_is_refused_by_the_safety_check() -> None:
    """Same message as the fault, at each try; books count it as refused, not as a fault."""
    with SimulatorThread() as simulator:
        for _ in range(2):
            reply = simulator.submit("please [simulate:safety] now")
            assert (reply.status, "usage guidelines" in reply.json["error"]) == (403, True)
        assert simulator.submit("please [simulate:other] now").status == 200
        books = simulator.books()
        assert (books["accepted"], books["refused"], books["faults"]) == (1, {"403": 2}, {})


def test_retry_after_comes_with_a_fault_429_too() -> None:
    """--retry-after applies to every 429."""
    with SimulatorThread(faults={"429": 1.0}, retry_after=3.0) as simulator:
        assert simulator.submit().headers["retry-after"] == "3"


@given(st.integers(0, 2**40), st.floats(0.05, 0.5))
def test_faults_come_at_their_rate_and_the_same_for_a_seed(seed: int, rate: float) -> None:
    """Draws depend on seed and counter, and come at about the given rate."""
    first, second = (Faults(seed, parse_rates({"429": rate, "submit:503": rate})) for _ in range(2))
    drawn = [first.draw("submit") for _ in range(600)]
    assert drawn == [second.draw("submit") for _ in range(600)]
    for kind in ("429", "503"):
        assert abs(drawn.count(kind) / 600 - rate) < 0.13
    assert {first.draw("fetch") for _ in range(50)} <= {None, "429"}


@pytest.mark.parametrize(
    "rates",
    [
        {"404": 0.1},
        {"429": 1.1},
        {"429": -0.1},
        {"429": 0.6, "500": 0.6},
        {"fetch:hang": 0.1},
        {"x:429": 0.1},
        {"submit:invalid": 0.1},
        {"invalid": 0.6, "prose": 0.6},
        {"429": True},
    ],
)
def test_invalid_rates_are_refused(rates: dict[str, object]) -> None:
    """Unknown kinds, rates outside 0 to 1, rates of one fault point with a sum above 1."""
    with pytest.raises(ValueError, match=r"no such fault|between 0 and 1|more than 1"):
        parse_rates(rates)


def test_every_kind_can_be_set_for_submits_or_fetches() -> None:
    """submit:KIND and fetch:KIND exist for each kind of that endpoint; faults of answers have no scope."""
    for point, names in KINDS_BY_POINT.items():
        for name in () if point == "answer" else names:
            scope = "submit" if point == "submit" else "fetch"
            faults = Faults(1, parse_rates({f"{scope}:{name}": 1.0}))
            drawn = faults.draw(point) or ""
            assert drawn.removesuffix("_before").removesuffix("_after") == name.removesuffix(
                "_before"
            ).removesuffix("_after")
