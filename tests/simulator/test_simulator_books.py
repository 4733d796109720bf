"""The books: totals, job entries and peaks."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_thread import CHAT, SimulatorThread


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 999),
    st.lists(st.tuples(st.sampled_from("sfft"), st.integers(0, 5)), min_size=10, max_size=40),
)
def test_accepted_is_the_sum_of_all_outcomes(seed: int, steps: list[tuple[str, int]]) -> None:
    """accepted = fetched + pending + lost + expired + unanswered; ticks_fetched has the readable usages."""
    kinds = ("submit:500_after", "submit:503", "garbage", "lost", "failed", "no_choices")
    with SimulatorThread(seed=seed, faults=dict.fromkeys(kinds, 0.15), median_s=2.0) as simulator:
        ids: list[str] = []
        paid = 0
        for action, number in steps:
            if action == "s":
                reply = simulator.submit(f"question {number}")
                ids += [reply.json["request_id"]] if reply.status == 200 else []
            elif action == "t":
                simulator.clock.now_s += 10_000 * number
            elif ids:
                reply = simulator.fetch(ids[number % len(ids)])
                if reply.status == 200 and b'"usage"' in reply.raw:
                    paid += reply.json["usage"]["cost_in_usd_ticks"]
        books = simulator.books(jobs=True)
    ends = ("fetched", "pending", "lost", "expired", "unanswered")
    assert books["accepted"] == sum(books[end] for end in ends) == len(books["jobs"])
    assert books["ticks_fetched"] == paid
    assert books["ticks_accepted"] == sum(job["ticks"] for job in books["jobs"])
    assert books["tokens"]["total"] == sum(job["tokens"] for job in books["jobs"])
    assert books["outcomes"] == {
        outcome: sum(job["outcome"] == outcome for job in books["jobs"]) for outcome in books["outcomes"]
    }


def test_a_job_is_named_by_its_user_field_else_by_its_body() -> None:
    """body_sha is the hash of the received bytes; the same bytes again are a duplicate."""
    with SimulatorThread() as simulator:
        body = json.dumps(
            {"model": "grok-4", "messages": [{"role": "user", "content": "x"}], "deferred": True}
        )
        for raw in (body, body, f" {body}", body.replace("{", '{"user":"job-7",', 1)):
            assert simulator.call("POST", CHAT, raw.encode()).status == 200
        books = simulator.books(jobs=True)
        shas = [job["body_sha"] for job in books["jobs"]]
        assert shas[0] == shas[1] == hashlib.sha256(body.encode()).hexdigest()
        assert len(set(shas)) == 3
        assert [job["job"] for job in books["jobs"]] == [*shas[:3], "job-7"]
        assert books["duplicates"] == 1


def test_a_job_entry_has_times_and_outcome() -> None:
    """Accepted, ready and fetched times are unix seconds."""
    with SimulatorThread(median_s=4.0, sigma=0.0) as simulator:
        request_id = simulator.submit_id()
        simulator.clock.now_s += 6
        simulator.fetch(request_id)
        (job,) = simulator.books(jobs=True)["jobs"]
        assert job["request_id"] == request_id
        assert job["ready_at"] - job["accepted_at"] == 4.0
        assert job["fetched_at"] - job["accepted_at"] == 6.0
        assert (job["outcome"], job["reply"], job["model"]) == ("fetched", "ok", "grok-4-0709")
        books = simulator.books()
        assert books["first_accepted_at"] == books["last_accepted_at"] == job["accepted_at"]
        assert "jobs" not in books


def test_peaks_are_the_most_within_any_window() -> None:
    """They are updated at each acceptance, not sampled."""
    with SimulatorThread() as simulator:
        for _ in range(3):
            simulator.submit()
        simulator.clock.now_s += 2
        simulator.submit()
        simulator.clock.now_s += 59
        simulator.submit()
        assert simulator.books()["peaks"]["grok-4-0709"]["rps"] == 3
        assert simulator.books()["peaks"]["grok-4-0709"]["rpm"] == 4


def test_empty_books_can_be_read() -> None:
    """Without any submission there are no jobs and no times."""
    with SimulatorThread() as simulator:
        books = simulator.books(jobs=True)
        assert (books["accepted"], books["jobs"], books["first_accepted_at"]) == (0, [], None)
        assert json.loads(b"".join(simulator.server.books_json(jobs=False))) == simulator.books()
