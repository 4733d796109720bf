"""The grader regex."""

from __future__ import annotations

from typing import Any

import pytest
from graded import graded, grader_spec


@pytest.mark.parametrize(
    ("pattern", "target", "answer", "value", "label"),
    [
        (r"ANSWER: (\w+)", "Paris", "ANSWER: paris", 1, "paris"),
        (r"ANSWER: (\w+)", "Paris", "ANSWER: Rome\nANSWER: Paris", 1, "Paris"),
        (r"ANSWER: (\w+)", "Paris", "ANSWER: Paris\nANSWER: Rome", 0, "Rome"),
        (r"ANSWER: (\w+)", "Paris", "Paris", 0, "no answer"),
        (r"ANSWER: (\w+)", "Paris", "ANSWER: Parisian", 0, "Parisian"),
        (r"(\d+) of (\d+)", "3", "3 of 5", 1, "3"),
        (r"(\d+) of (?P<answer>\d+)", "5", "3 of 5", 1, "5"),
        (r"(a)|(b)", ["x", "b"], "b", 1, "b"),
        (r"x(a)?", "a", "x", 0, "no answer"),
        (r"^\s*yes\b", None, "yes, it is", 1, ""),
        (r"^\s*yes\b", None, "Yes, it is", 0, "no answer"),
        (r"(?i)^\s*yes\b", None, "Yes, it is", 1, ""),
        (r"^\s*yes\b", None, "Well, yes", 0, "no answer"),
    ],
)
def test_what_the_pattern_takes_is_compared_with_the_target(
    pattern: str, target: Any, answer: str, value: int, label: str
) -> None:
    """The last match counts. An answer without one is wrong, and named so."""
    assert graded(grader_spec("regex", pattern=pattern), target, answer) == (value, label, None)


def test_what_is_ignored_is_ignored_of_the_group_alone() -> None:
    """The pattern is used as it is written."""
    assert graded(grader_spec("regex", pattern="is (.*)", ignore=[]), "Paris", "is paris").value == 0
    assert graded(grader_spec("regex", pattern="is (.*)", ignore=["case"]), "Paris", "is paris").value == 1


@pytest.mark.parametrize("target", [None, {"a": 1}])
def test_a_group_without_a_target_grades_nothing(target: Any) -> None:
    assert graded(grader_spec("regex", pattern="(a)"), target, "a").value is None
