"""The graders length, cost and latency."""

from __future__ import annotations

from typing import Any

import pytest
from graded import graded, grader_spec

from runner.rules.evaluation.graders.grade import Answer

ANSWER = Answer(
    text="one two three", completion_tokens=40, cost_ticks=25_000_000, latency_ms=1_500, finish_reason="stop"
)


@pytest.mark.parametrize(
    ("type_name", "options", "value", "label"),
    [
        ("length", {"at_most": 3}, 1, "3 words"),
        ("length", {"at_most": 2}, 0, "3 words"),
        ("length", {"at_least": 3, "at_most": 3}, 1, "3 words"),
        ("length", {"at_least": 4}, 0, "3 words"),
        ("length", {"at_most": 13, "unit": "characters"}, 1, "13 characters"),
        ("length", {"at_most": 12, "unit": "characters"}, 0, "13 characters"),
        ("length", {"at_most": 40, "unit": "tokens"}, 1, "40 tokens"),
        ("cost", {"at_most": 0.0025}, 1, "0.0025 USD"),
        ("cost", {"at_most": 0.0024}, 0, "0.0025 USD"),
        ("latency", {"at_most": 1.5}, 1, "1.5 s"),
        ("latency", {"at_most": 1}, 0, "1.5 s"),
    ],
)
def test_limits_include_their_bounds(type_name: str, options: dict[str, Any], value: int, label: str) -> None:
    """The label is what was measured."""
    assert graded(grader_spec(type_name, **options), None, ANSWER) == (value, label, None)


@pytest.mark.parametrize(
    ("type_name", "options"), [("length", {"unit": "tokens"}), ("cost", {}), ("latency", {})]
)
def test_what_was_not_measured_is_not_graded(type_name: str, options: dict[str, Any]) -> None:
    """A service that does not report it is not the model's fault."""
    grade = graded(grader_spec(type_name, at_most=1, **options), None, "text")

    assert grade.value is None
    assert grade.reason
