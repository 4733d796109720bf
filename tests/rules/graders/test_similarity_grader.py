"""The grader similarity: shares of words and of characters."""

from __future__ import annotations

import pytest
from graded import graded, grader_spec
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.graders.similarity_grader import edit_distance


def slow_distance(first: str, second: str) -> int:
    """Return the edit distance, from the whole table."""
    row = list(range(len(second) + 1))
    for place, character in enumerate(first, start=1):
        above, row = row, [place]
        for other, wanted in enumerate(second):
            row.append(min(above[other] + (character != wanted), above[other + 1] + 1, row[other] + 1))
    return row[-1]


@pytest.mark.parametrize(
    ("method", "target", "answer", "value"),
    [
        ("words", "the cat sat", "the cat sat", 1),
        ("words", "the cat sat", "The cat, sat!", 1),
        ("words", "the cat sat", "sat the cat", 1),
        ("words", "the cat sat", "the dog sat", 2 / 3),
        ("words", "the cat sat", "the the the", 1 / 3),
        ("words", "the cat sat", "", 0),
        ("words", "\u5df4\u9ece", "\u5df4\u9ece\u5e02", 0.8),
        ("words", "!", "!", 1),
        ("words", "!", "?", 0),
        ("words", ["a b", "c d"], "c d", 1),
        ("characters", "kitten", "sitting", 1 - 3 / 7),
        ("characters", "abc", "abc", 1),
        ("characters", "abc", "", 0),
        ("characters", "", "", 1),
    ],
)
def test_similarity_is_a_share(method: str, target: object, answer: str, value: float) -> None:
    """Of the words (F1), each as often as both have it, or of the characters (edit distance)."""
    assert graded(grader_spec("similarity", method=method), target, answer).value == pytest.approx(value)


def test_a_bound_makes_it_right_or_wrong() -> None:
    """The label says how similar it is."""
    spec = grader_spec("similarity", at_least=0.6)

    assert graded(spec, "the cat sat", "the dog sat") == (1, "0.67", None)
    assert graded(spec, "the cat sat", "a dog sat") == (0, "0.33", None)


def test_without_a_target_nothing_is_graded() -> None:
    assert graded(grader_spec("similarity"), None, "x").value is None


def test_an_endless_answer_is_compared_by_its_beginning() -> None:
    """As far as the similarity of it can matter."""
    grade = graded(grader_spec("similarity", method="characters"), "short", "x" * 3_000_000)

    assert grade.value == 0


@given(first=st.text("abc\u00e9", max_size=12), second=st.text("abc\u00e9", max_size=12))
def test_the_distance_is_that_of_the_whole_table(first: str, second: str) -> None:
    assert edit_distance(first, second) == slow_distance(first, second)
