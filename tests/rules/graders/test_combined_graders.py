"""The graders not, all and any, of graders with and without a score."""

from __future__ import annotations

from typing import Any

import pytest
from graded import graded, grader_spec

HAS_A: dict[str, Any] = {"type": "includes", "target": "a"}
HAS_B: dict[str, Any] = {"type": "includes", "target": "b"}
NONE: dict[str, Any] = {"type": "latency", "at_most": 1}  # the answers here do not say how long they took
HALF: dict[str, Any] = {"type": "similarity", "target": "a x"}  # 0.5 for "a b"


@pytest.mark.parametrize(
    ("type_name", "parts", "answer", "value"),
    [
        ("not", [HAS_A], "a", 0),
        ("not", [HAS_A], "x", 1),
        ("not", [HALF], "a b", 0.5),
        ("not", [NONE], "a", None),
        ("all", [HAS_A, HAS_B], "a b", 1),
        ("all", [HAS_A, HAS_B], "a", 0),
        ("all", [HAS_A, HALF], "a b", 0.5),
        ("all", [HAS_A, NONE], "a", None),
        ("all", [HAS_A, NONE], "x", 0),
        ("all", [NONE], "x", None),
        ("all", [{**HAS_A, "weight": 3}, HAS_B], "a", 0.75),
        ("all", [{**HAS_A, "weight": 3}, HAS_B], "a b", 1),
        ("all", [{**HAS_A, "weight": 0.1}, {**HAS_B, "weight": 0.2}], "a b", 1),
        ("all", [{**HAS_A, "weight": 3}, HAS_B], "x", 0),
        ("all", [{**HAS_A, "weight": 3}, NONE], "x", None),
        ("any", [HAS_A, HAS_B], "b", 1),
        ("any", [HAS_A, HAS_B], "x", 0),
        ("any", [HAS_A, {**HAS_B, "weight": 0.5}], "b", 0.5),
        ("any", [HAS_A, {**HAS_B, "weight": 0.5}], "a b", 1),
        ("any", [HAS_A, NONE], "a", 1),
        ("any", [HAS_A, NONE], "x", None),
        ("any", [HAS_A, {**NONE, "weight": 0.5}], "x", None),
        ("any", [{**HAS_A, "weight": 0.5}, {**NONE, "weight": 0.5}], "a", 0.5),
        ("any", [NONE], "x", None),
        ("not", [{"type": "any", "graders": [HAS_A, HAS_B]}], "x", 1),
    ],
)
def test_grades_are_combined(
    type_name: str, parts: list[dict[str, Any]], answer: str, value: float | None
) -> None:
    """What has no score makes none of the whole, unless it could not change it."""
    grade = graded(grader_spec(type_name, graders=parts), None, answer)

    assert grade.value == value
    assert (grade.reason is None) == (value is not None)
