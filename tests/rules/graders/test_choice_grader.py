"""The grader choice: which letter of a multiple-choice question an answer names."""

from __future__ import annotations

from typing import Any

import pytest
from graded import graded, grader_spec
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.graders.choice_letters import answer_letters

CITIES = ("London", "Paris", "Rome", "A dog")
PLAIN = ("1", "2", "3", "4")


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        ("B", "B"),
        ("b", "B"),
        ("B.", "B"),
        ("(B)", "B"),
        ("[B]", "B"),
        ('"B"', "B"),
        ("**B**", "B"),
        ("B,", "B"),
        ("\uff22", "B"),
        ("ANSWER: B", "B"),
        ("ANSWER\uff1a\uff22", "B"),
        ("Answer: (b)", "B"),
        ("Answer:\nB", "B"),
        ("**Answer:** B", "B"),
        ("Final Answer: \\boxed{B}", "B"),
        ("Final answer: $\\boxed{\\text{B}}$", "B"),
        ("The answer is B.", "B"),
        ("The correct option is B", "B"),
        ("The answer is: option B", "B"),
        ("Answer: B) Paris", "B"),
        ("Answer: b) Paris", "B"),
        ("Answer: B because Paris is in France", "B"),
        ("Answer: B, a town in France", "B"),
        ("Answer: B, I think", "B"),
        ("Answer: Paris", "B"),
        ("Paris.", "B"),
        ("Answer: A dog", "D"),
        ("B) Paris", "B"),
        ("B. Paris", "B"),
        ("B - Paris", "B"),
        ("Well, it is in France.\n\nB", "B"),
        ("B\n\nFor it is in France.", "B"),
        ("It has to be (B), as London is in England.", "B"),
        ("ANSWER: A\nNo, wait.\nANSWER: B", "B"),
        ("The answer is not A. The answer is B", "B"),
        ("ANSWER: B\nThe answer is a bit surprising", "B"),
        ("ANSWER: A, B, and C", "ABC"),
        ("ANSWER: A and C", "AC"),
        ("ANSWER: A or B", "AB"),
        ("ANSWER: A/B", "AB"),
        ("ANSWER: C, A", "AC"),
        ("ANSWER: AC", "AC"),
        ("ANSWER: F", ""),
        ("ANSWER: A, F", "A"),
        ("ANSWER: Alpha", ""),
        ("ANSWER: none of the above", ""),
        ("The answer is a dog's breakfast", ""),
        ("It may be (A) or (B)", ""),
        ("A) London\nB) Paris\nC) Rome\nD) A dog", ""),
        ("A good question", ""),
        ("I do not know", ""),
        ("", ""),
    ],
)
def test_letters_are_found_as_models_write_them(answer: str, letters: str) -> None:
    """The last named answer counts; what is no answer, such as the question repeated, names no letter."""
    assert answer_letters(answer, CITIES) == letters


def test_without_choices_every_letter_is_one() -> None:
    """But a run of letters is a word then."""
    assert answer_letters("ANSWER: F", ()) == "F"
    assert answer_letters("ANSWER: I", ()) == "I"
    assert answer_letters("ANSWER: B, I think", ()) == "B"
    assert answer_letters("ANSWER: YES", ()) == ""


@pytest.mark.parametrize(
    ("target", "several", "answer", "value"),
    [
        ("B", False, "ANSWER: B", 1),
        ("B", False, "ANSWER: A, B, C, D", 0),
        ("b", False, "B", 1),
        ("(B)", False, "B", 1),
        ("2", False, "ANSWER: B", 1),
        ("A, C", False, "ANSWER: C and A", 1),
        ("A, C", False, "ANSWER: A", 0),
        ("AC", False, "ANSWER: A, C", 1),
        (["A", "C"], False, "ANSWER: C", 1),
        (["A", "C"], False, "ANSWER: A, C", 0),
        (["A", "C"], True, "ANSWER: A, C", 1),
        (["A", "C"], True, "ANSWER: C", 0),
        ("B", False, "no idea", 0),
    ],
)
def test_the_targets_letters_and_no_others_are_right(
    target: Any, several: bool, answer: str, value: int
) -> None:
    """An answer that names them all is wrong, however right one of them is."""
    assert graded(grader_spec("choice", several=several), target, answer, PLAIN).value == value


def test_the_label_names_the_letters() -> None:
    assert graded(grader_spec("choice"), "B", "ANSWER: C, A", PLAIN).label == "A,C"
    assert graded(grader_spec("choice"), "B", "hm", PLAIN).label == "no answer"


@pytest.mark.parametrize("target", [None, "", "E", "Berlin", {"a": 1}, ["A", "E"], []])
def test_a_target_that_is_no_choice_grades_nothing(target: Any) -> None:
    """That is the suite's fault, not the model's."""
    assert graded(grader_spec("choice"), target, "A", CITIES).value is None


@given(count=st.integers(1, 26), data=st.data())
def test_a_letter_or_the_text_of_a_choice_is_right_as_an_answer(count: int, data: st.DataObject) -> None:
    """Of any number of choices."""
    choices = [f"choice {number}" for number in range(count)]
    place = data.draw(st.integers(0, count - 1))

    assert graded(grader_spec("choice"), chr(65 + place), chr(65 + place), choices).value == 1
    assert graded(grader_spec("choice"), choices[place], choices[place], choices).value == 1
