"""The summary has every documented key, and its accounts balance."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from runner.rules.json_object import encoded
from runner.rules.latency_histogram import bucket_of
from runner.rules.states import JobState
from runner.rules.summary import RunFacts, summarize
from runner.rules.summary_object import SummaryFiles


def facts(**changes: Any) -> RunFacts:
    known: dict[str, Any] = {
        "id": 7,
        "name": "reviews",
        "state": "finished",
        "paused_by": None,
        "started_at_s": 1_790_000_000.0,
        "finished_at_s": 1_790_000_061.2504,
        "prices_as_of": "2026-09-29",
        "files": SummaryFiles(mark="0123456789ab"),
        "examples": {"safety": "r-1"},
    }
    return RunFacts(**{**known, **changes})


COUNTERS = {
    ("state", "succeeded"): 5,
    ("state", "failed"): 3,
    ("state", "cancelled"): 1,
    ("state", "held"): 2,
    ("state", "pending"): 4,
    ("state", "collecting"): 1,
    ("state", "waiting"): 0,
    ("code", "safety"): 1,
    ("code", "bad-request"): 2,
    ("code", "gone-again"): 0,
    ("finish", "tool_calls"): 2,
    ("finish", "stop"): 3,
    ("flaw", "length"): 3,
    ("tokens", "prompt"): 700,
    ("tokens", "cached"): 600,
    ("tokens", "completion"): 40,
    ("tokens", "reasoning"): 250,
    ("tokens", "total"): 990,
    ("ticks", "reported"): 10**10,
    ("ticks", "estimated"): 150,
    ("ticks", "probable_extra"): 40,
    ("ticks", "probable_unavailable"): 8,
    ("ticks", "possible_extra"): 99,
    ("unread", "answers"): 2,
    ("unread", "unavailable"): 1,
    ("unknown", "jobs"): 1,
    ("model_jobs", "grok-4.3"): 4,
    ("model_ticks", "grok-4.3"): 10**10 + 150,
    ("model_jobs", "a-model"): 1,
    ("returned", "b -> a"): 1,
    ("returned", "grok-4.3 -> grok-4.5"): 2,
    ("attempts", "accepted"): 12,
    ("attempts", "refused_for_now"): 2,
    ("attempts", "polls"): 30,
    ("attempts", "collected"): 6,
    ("extra", "lost"): 1,
    ("extra", "user_retry"): 3,
    ("leftover", "lost"): 1,
    ("latency", bucket_of(2.0)): 5,
    ("latency", bucket_of(40.0)): 1,
}


def test_a_summary_is_the_documented_object() -> None:
    """Every key has its place, because scripts read it."""
    assert json.dumps(to_builtins(summarize(facts(), COUNTERS)), indent=1) == json.dumps(
        {
            "schema": 1,
            "run": 7,
            "name": "reviews",
            "state": "finished",
            "paused_by": None,
            "counts": {"total": 16, "succeeded": 5, "failed": 3, "cancelled": 1, "held": 2, "unfinished": 5},
            "finish_reasons": {"stop": 3, "length": 0, "tool_calls": 2},
            "answers": {"length": 3, "refusal": 0, "empty": 0},
            "models_returned": {"grok-4.3 -> grok-4.5": 2, "b -> a": 1},
            "errors": {"by_code": {"bad-request": 2, "safety": 1}},
            "examples": {"safety": "r-1"},
            "tokens": {"prompt": 700, "cached": 600, "completion": 40, "reasoning": 250, "total": 990},
            "cost": {
                "usd": "1.00000002",
                "reported_ticks": 10_000_000_000,
                "estimated_ticks": 150,
                "probable_extra_ticks": 40,
                "possible_extra_ticks": 99,
                "unread": {"answers": 2, "refused_prompts": 0, "unavailable": 1, "unavailable_ticks": 8},
                "unknown_jobs": 1,
                "by_model": {
                    "a-model": {"jobs": 1, "usd": "0.00000000", "ticks": 0},
                    "grok-4.3": {"jobs": 4, "usd": "1.00000002", "ticks": 10_000_000_150},
                },
            },
            "budget": None,
            "attempts": {
                "accepted": 12,
                "refused_for_now": 2,
                "polls": 30,
                "abandoned": 0,
                "extra": {"ambiguous": 0, "lost": 1, "unusable": 0, "generation_failed": 0, "user_retry": 3},
            },
            "timing": {
                "started_at": "2026-09-21T14:13:20.000Z",
                "finished_at": "2026-09-21T14:14:21.250Z",
                "wall_s": 61.25,
                "latency_p50_s": 1.98,
                "latency_p95_s": 41.9,
            },
            "prices_as_of": "2026-09-29",
            "files": {"mark": "0123456789ab"},
        },
        indent=1,
    )


def test_asking_again_is_a_reason_in_runs_with_labels_only() -> None:
    """The object of any other run is what it always was; 0 is a number of a run with labels."""
    counters = {("extra", "reask"): 4}

    plain = to_builtins(summarize(facts(), counters))["attempts"]["extra"]
    labeled = to_builtins(summarize(facts(has_labels=True), counters))["attempts"]["extra"]
    none_yet = to_builtins(summarize(facts(has_labels=True), {}))["attempts"]["extra"]

    assert "reask" not in plain
    assert (labeled["reask"], none_yet["reask"]) == (4, 0)


def test_a_run_that_has_not_begun_has_every_key() -> None:
    """What is unknown is null; what was not spent is 0."""
    summary = to_builtins(summarize(facts(state="ready", started_at_s=None, finished_at_s=None), {}))
    assert set(summary) == set(to_builtins(summarize(facts(), COUNTERS)))
    assert summary["counts"] == dict.fromkeys(summary["counts"], 0)
    assert summary["timing"] == dict.fromkeys(summary["timing"])
    assert summary["cost"]["usd"] == "0.00000000"
    assert summary["finish_reasons"] == {"stop": 0, "length": 0}


def test_a_clock_set_back_makes_no_negative_time() -> None:
    """A machine's clock may be set back during a run."""
    assert summarize(facts(finished_at_s=1.0), {}).timing.wall_s == 0.0


@given(st.dictionaries(st.sampled_from(list(JobState)), st.integers(0, 10**7)))
def test_every_job_is_counted_in_exactly_one_place(states: dict[JobState, int]) -> None:
    """The counts of the states add up to the total."""
    summary = summarize(facts(), {("state", str(state)): n for state, n in states.items()})
    counts = to_builtins(summary.counts)
    assert counts.pop("total") == sum(counts.values()) == sum(states.values())


@given(st.permutations(list(COUNTERS.items())))
def test_equal_counters_give_equal_bytes(shuffled: list[tuple[tuple[str, str], int]]) -> None:
    """The order in which the database returned them does not matter."""
    assert encoded(summarize(facts(), dict(shuffled))) == encoded(summarize(facts(), COUNTERS))


@pytest.mark.parametrize("paused_by", [None, "budget"])
def test_the_summary_has_the_pause_reason(paused_by: str | None) -> None:
    """It is null if the run is not paused."""
    assert summarize(facts(paused_by=paused_by), {}).paused_by == paused_by


def test_the_budget_counts_what_may_have_been_billed() -> None:
    """Null without one; else what is used, possible costs included, and what is reserved."""
    counters = {("ticks", "reported"): 3, ("ticks", "possible_extra"): 4, ("ticks", "reserved"): 5}

    assert summarize(facts(), counters).budget is None
    budget = summarize(facts(budget_ticks=10**10), counters).budget
    assert msgspec.to_builtins(budget) == {
        "usd": "1.00000000",
        "ticks": 10**10,
        "used_ticks": 7,
        "reserved_ticks": 5,
    }
