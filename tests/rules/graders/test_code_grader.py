"""The graders python and scores: what others say of an answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from graded import graded, grader_spec, target_item

from runner.rules.evaluation.graders import make_grader
from runner.rules.evaluation.graders.grade import Answer, Grade

if TYPE_CHECKING:
    from runner.rules.evaluation.graders.code_grader import GradeFunction


class Scalar:
    """A number as numpy has it."""

    def item(self) -> float:
        """Return it as Python's."""
        return 0.5


class BadError(Exception):
    """An error that cannot even be shown."""

    def __str__(self) -> str:
        raise ValueError


def graded_by(function: GradeFunction) -> Grade:
    grader = make_grader(grader_spec("python", function="mine:grade"), lambda _name: function)
    return grader.grade(target_item("Paris"), Answer(text="paris"))


@pytest.mark.parametrize(
    ("returned", "value", "label"),
    [
        (True, 1, ""),
        (False, 0, ""),
        (0.25, 0.25, ""),
        (1.0, 1, ""),
        ((True, "close"), 1, "close"),
        ((0.5, None), 0.5, ""),
        ((0, "a\x1b[31m\nb\0" + "c" * 100), 0, "a [31m b " + "c" * 50 + "\u2026"),
        (Scalar(), 0.5, ""),
        ((None, "odd"), None, "odd"),
        (None, None, ""),
        (2, None, ""),
        (-0.1, None, ""),
        (math.nan, None, ""),
        (10**400, None, ""),
        ("yes", None, ""),
        ([1], None, ""),
        ((1, "a", "b"), None, ""),
        (object(), None, ""),
    ],
)
def test_a_function_returns_a_grade_or_nothing_is_graded(
    returned: Any, value: float | None, label: str
) -> None:
    """Nonsense is the suite's fault, not the model's."""
    grade = graded_by(lambda _answer, _target, _item: returned)

    assert (grade.value, grade.label) == (value, label)
    assert (grade.reason is None) == (value is not None)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad\n\x1b[1mthing"), "the function raised ValueError: bad [1mthing"),
        (SystemExit(3), "the function raised SystemExit: 3"),
        (KeyboardInterrupt(), "the function raised KeyboardInterrupt"),
        (BadError(), "the function raised BadError"),
    ],
)
def test_a_function_that_raises_grades_nothing(error: BaseException, reason: str) -> None:
    def function(_answer: str, _target: Any, _item: dict[str, Any]) -> bool:
        raise error

    assert graded_by(function) == (None, "", reason)


def test_a_function_sees_answer_target_and_item() -> None:
    seen: list[Any] = []
    graded_by(lambda *given: seen.extend(given))

    answer, target, item = seen
    assert (answer, target, item["id"], item["messages"][0]["role"]) == ("paris", "Paris", "q", "user")


def test_code_that_is_not_trusted_is_not_run() -> None:
    """It is not even looked for."""
    assert "--trust-code" in str(graded(grader_spec("python", function="os:abort"), None, "x").reason)


def test_scores_are_those_of_the_item_and_epoch() -> None:
    """An answer without a score is not graded, as is one of an item that is not in the file."""
    grader = make_grader(grader_spec("scores", scores={"q": {"1": 1.0, "2": 0.5, "3": None}}))
    grades = [grader.grade(target_item(None), Answer(text="", epoch=epoch)) for epoch in (1, 2, 3, 4)]

    assert [grade.value for grade in grades] == [1, 0.5, None, None]
    assert graded(grader_spec("scores", file="s.csv"), None, "x").value is None
