"""An estimate is the sum of its lines, names the binding limit, and never takes an unknown price for 0."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules import models
from runner.rules.costs.estimate import Estimate, Span, Tally, estimate
from runner.rules.prices import parse_own_prices
from runner.rules.requests import output_estimate
from runner.rules.requests.output_estimate import OutputRange
from runner.rules.requests.request import Request
from runner.rules.requests.tokens import expected_tokens
from runner.rules.sending.rate_limits import GivenLimits

TODAY = date(2026, 11, 23)
NAMES = st.sampled_from(["grok-4.3", "grok-4.5", "grok-4.20-non-reasoning", "no-such-model"])


def request(model: str = "grok-4.3", prompt: int = 1_000, **changes: Any) -> Request:
    """Return a request of some size."""
    known: dict[str, Any] = {
        "custom_id": "r-1",
        "model": model,
        "body": b"{}",
        "metadata": None,
        "conv_id": None,
        "prompt_tokens_estimate": prompt,
        "max_output_tokens": None,
        "outputs": OutputRange(100, 2_000),
        "is_priority": False,
    }
    return Request(**{**known, **changes})


def of(*requests: Request, own: Any = None, **facts: Any) -> Estimate:
    """Return the estimate of a few requests; `facts` are those of `estimate`, and limits by name."""
    tally = Tally(TODAY, parse_own_prices(own) if own else None)
    for one in requests:
        tally.add(one)
    names = {field.name for field in fields(GivenLimits)}
    limits = GivenLimits(**{name: facts.pop(name) for name in names & facts.keys()})
    return estimate(tally, limits=limits, **facts)


def test_one_request_is_priced_by_the_table() -> None:
    """grok-4.3: 1,000 tokens in at $1.25, 100 to 2,000 out at $2.50."""
    found = of(request())
    assert found.ticks == Span(low=1_000 * 12_500 + 100 * 25_000, high=1_000 * 12_500 + 2_000 * 25_000)
    assert (found.input_tokens, found.output_tokens) == (1_000, Span(low=100, high=2_000))


@pytest.mark.parametrize(
    ("changes", "limits", "ticks"),
    [
        ({"is_priority": True}, {}, 2 * (1_000 * 12_500 + 2_000 * 25_000)),
        ({}, {"base_host": "us.api.x.ai"}, (1_000 * 12_500 + 2_000 * 25_000) * 11 // 10),
        ({}, {"base_host": "api.x.ai"}, 1_000 * 12_500 + 2_000 * 25_000),
        ({"prompt": 199_999}, {}, 199_999 * 12_500 + 2_000 * 25_000),
        ({"prompt": 200_000}, {}, 200_000 * 25_000 + 2_000 * 50_000),
        ({"model": "grok-3"}, {}, 1_000 * 12_500 + 2_000 * 25_000),
        ({}, {"outputs": {"grok-4.3": OutputRange(7, 7)}}, 1_000 * 12_500 + 7 * 25_000),
        ({}, {"own": {"grok-4.3": {"input": 1, "output": 2}}}, 1_000 * 10_000 + 2_000 * 20_000),
    ],
)
def test_what_changes_the_price_changes_the_estimate(
    changes: dict[str, Any], limits: dict[str, Any], ticks: int
) -> None:
    """Tier, host, long prompts, retirement, known outputs, own prices."""
    found = of(request(**changes), **limits)
    assert found.ticks is not None
    assert found.ticks.high == ticks


def test_a_model_without_a_price_is_unknown() -> None:
    """Beside others its jobs are counted separately; alone there is no sum at all."""
    both = of(request(), request("no-such-model"))
    assert both.unpriced_jobs == 1
    assert both.ticks == of(request()).ticks
    assert of(request("no-such-model")).ticks is None


@pytest.mark.parametrize(
    ("jobs", "limits", "time", "bound"),
    [
        (120, {"team_rpm": 120, "team_tpm": 0}, Span(low=60, high=60), "requests"),
        (100, {"team_rpm": 100, "team_tpm": 0}, Span(low=60, high=60), "requests"),
        (
            143,
            {"team_rpm": 143, "team_tpm": 0},
            Span(low=72, high=72),
            "requests",
        ),  # 2 a second, 120 a minute
        (120, {"team_rpm": 0, "team_tpm": 120_000}, Span(low=66, high=180), "tokens"),
        (120, {"team_rpm": 60, "team_tpm": 240_000}, Span(low=120, high=120), "requests"),
        (120, {"team_rpm": 0, "team_tpm": 0}, Span(low=0, high=0), "nothing"),
        (143, {"rpm": 143, "tpm": 0}, Span(low=60, high=60), "requests"),  # a run has no limit of a second
        (120, {"tpm": 120_000}, Span(low=66, high=180), "tokens"),
        (120, {"rpm": 60, "tpm": 240_000}, Span(low=120, high=120), "requests"),
        (120, {"rpm": 600, "team_rpm": 60}, Span(low=120, high=120), "requests"),
        (120, {"rpm": 60, "team_rpm": 0, "team_tpm": 0}, Span(low=120, high=120), "requests"),
        (1_800, {"rpm": 0, "tpm": 0}, Span(low=60, high=60), "requests"),  # the model's stays
    ],
)
def test_the_limit_that_binds_sets_the_duration(
    jobs: int, limits: dict[str, int], time: Span, bound: str
) -> None:
    """Requests a minute or a second, tokens a minute, or none of them."""
    found = of(*[request()] * jobs, **limits)
    assert found.slowest is not None
    assert (found.slowest.time_s, found.slowest.bound_by) == (time, bound)


def test_aliases_share_a_limit_and_models_run_beside_each_other() -> None:
    """Two names of one model take twice as long; two models take as long as the slower one."""
    one = of(*[request("grok-4.3")] * 60, team_rpm=60, team_tpm=0)
    alias = of(*[request("grok-4.3"), request("grok-4.3-latest")] * 60, team_rpm=60, team_tpm=0)
    other = of(*[request("grok-4.3"), request("grok-4.5")] * 60, team_rpm=60, team_tpm=0)
    times = [found.slowest.time_s.high for found in (one, alias, other) if found.slowest]
    assert times == [60, 120, 60]


def test_the_own_limit_of_a_run_holds_for_all_of_its_models_together() -> None:
    """Two models take twice as long as one of them."""
    both = of(*[request("grok-4.3"), request("grok-4.5")] * 60, rpm=60, tpm=0)
    assert both.slowest is not None
    assert (both.slowest.time_s.high, both.slowest.rpm) == (120, 60)


def test_a_retired_name_takes_the_time_of_the_model_that_serves() -> None:
    """520 rows of grok-4 go at the 1,800 requests a minute of grok-4.3, with which they share its limit."""
    retired = of(*[request("grok-4", 100)] * 520)
    assert retired.slowest is not None
    assert (retired.slowest.rpm, retired.slowest.time_s) == (1_800, Span(low=18, high=18))
    both = of(*[request("grok-4", 100), request("grok-4.3", 100)] * 520)
    assert both.slowest is not None
    assert both.slowest.time_s.low in (35, 36)


@given(st.lists(st.tuples(NAMES, st.integers(1, 300_000), st.booleans()), min_size=1, max_size=30))
def test_the_whole_is_the_sum_of_its_lines(lines: list[tuple[str, int, bool]]) -> None:
    """It does not depend on the grouping of lines; low is never above high."""
    requests = [request(model, prompt, is_priority=fast) for model, prompt, fast in lines]
    found, singles = of(*requests), [of(one) for one in requests]
    assert found.jobs == len(lines)
    assert found.input_tokens == sum(one.input_tokens for one in singles)
    assert found.unpriced_jobs == sum(one.unpriced_jobs for one in singles)
    priced = [one.ticks for one in singles if one.ticks]
    assert (found.ticks.high if found.ticks else 0) == sum(ticks.high for ticks in priced)
    assert (found.ticks.low if found.ticks else 0) == sum(ticks.low for ticks in priced)
    assert found.ticks is None or found.ticks.low <= found.ticks.high


SCHEMA = {"type": "json_schema", "json_schema": {}}


@pytest.mark.parametrize(
    ("body", "model", "low", "high"),
    [
        ({}, "grok-4.3", 150, 4_000),
        ({"max_completion_tokens": 10}, "grok-4.3", 110, 3_010),
        ({"max_tokens": 5_000}, "grok-4.3", 150, 8_000),
        ({"response_format": SCHEMA}, "grok-4.3", 120, 3_300),
        ({"response_format": {"type": "text"}}, "grok-4.3", 150, 4_000),
        ({"tools": [{}], "max_completion_tokens": 5_000}, "grok-4.3", 120, 3_300),
        ({"reasoning_effort": "none"}, "grok-4.3", 50, 1_000),
        ({"reasoning_effort": "high"}, "grok-4.3", 250, 7_000),
        ({}, "grok-4.20-non-reasoning", 50, 1_000),
        ({}, "no-such-model", 150, 4_000),
    ],
)
def test_output_is_assumed_by_what_is_asked(body: dict[str, Any], model: str, low: int, high: int) -> None:
    """A maximum limits the text and never the reasoning, as in the API."""
    assert output_estimate.assumed_output(body, models.facts(model)) == (low, high)


@given(st.lists(st.integers(0, 10**6), min_size=output_estimate.LEARNT_MIN, max_size=200))
def test_the_learnt_range_has_the_answers_it_is_from(answers: list[int]) -> None:
    """At most all of them at a share of 1; nine tenths of them by default."""
    counts: dict[tuple[str, str], int] = {}
    for tokens in answers:
        key = (output_estimate.COUNTER_KIND, output_estimate.counter_key("grok-4.3", tokens))
        counts[key] = counts.get(key, 0) + 1
    usual, widest = (
        output_estimate.learnt_output(counts, "grok-4"),
        output_estimate.learnt_output(counts, "grok-4.3", 1.0),
    )
    assert usual is not None
    assert widest is not None
    assert 0 <= usual.low <= usual.high <= widest.high
    assert widest.high >= max(answers)
    assert sum(tokens <= usual.high for tokens in answers) >= 0.9 * len(answers)


def test_nothing_is_learnt_from_few_answers_or_from_other_models() -> None:
    """A retired name is learnt from its successor's answers."""
    key = (output_estimate.COUNTER_KIND, output_estimate.counter_key("grok-4.3", 500))
    assert output_estimate.learnt_output({key: output_estimate.LEARNT_MIN - 1}, "grok-4.3") is None
    assert output_estimate.learnt_output({key: output_estimate.LEARNT_MIN}, "grok-4.5") is None
    assert output_estimate.learnt_output({key: output_estimate.LEARNT_MIN}, "grok-3") is not None


@pytest.mark.parametrize(
    ("most", "expected"), [(None, 1_500), (0, 1_500), (100, 1_100), (500, 1_500), (9_000, 1_500)]
)
def test_a_request_is_expected_to_be_answered_shortly(most: int | None, expected: int) -> None:
    """Until answers are known: 500 tokens, or fewer where the request says so."""
    assert expected_tokens(1_000, most) == expected
