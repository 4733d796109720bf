"""The graders exact, includes, begins and ends, and what they ignore."""

from __future__ import annotations

from typing import Any

import pytest
from graded import graded, grader_spec
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.graders.text_folding import FOLDS, fold_of

FORMS = ("exact", "includes", "begins", "ends")


@pytest.mark.parametrize(
    ("type_name", "target", "answer", "value"),
    [
        ("exact", "Paris", "Paris", 1),
        ("exact", "Paris", " paris\n", 1),
        ("exact", "New York", "new  \t york", 1),
        ("exact", "Paris", "Paris.", 0),
        ("exact", "Paris", "It is Paris", 0),
        ("exact", ["Paris", "Lutetia"], "lutetia", 1),
        ("exact", 7, "7", 1),
        ("exact", True, "True", 1),
        ("exact", "", "", 1),
        ("exact", "", "something", 0),
        ("exact", "caf\u00e9", "cafe\u0301", 1),
        ("exact", "stra\u00dfe", "STRASSE", 1),
        ("exact", "Paris", "Par\u200bis", 1),
        ("includes", "Paris", "It is Paris, of course.", 1),
        ("includes", "Paris", "It is **Paris**.", 1),
        ("includes", "5", "The answer is 25.", 0),
        ("includes", "5", "The answer is 5.", 1),
        ("includes", "5", "The answer is 3.5", 0),
        ("includes", "5", "The answer is 5.2", 0),
        ("includes", "5", "The answer is 1,5", 0),
        ("includes", "5", "The answer is -5", 0),
        ("includes", "5", "It is on pages 3-5", 1),
        ("includes", "5", "25 or 5", 1),
        ("includes", "cat", "a category", 0),
        ("includes", "no", "I know", 0),
        ("includes", ["yes", "yeah"], "Well, yeah!", 1),
        ("includes", "\u5df4\u9ece", "\u7b54\u6848\u662f\u5df4\u9ece\u3002", 1),
        ("includes", "Paris", "\u7b54\u6848\u662fParis\u3002", 1),
        ("includes", "5", "\u7b2c5\u7ae0", 1),
        ("begins", "Yes", "yes, it is", 1),
        ("begins", "Yes", "Yesterday it was", 0),
        ("begins", "5", "50 apples", 0),
        ("ends", "Paris", "The capital is Paris", 1),
        ("ends", "Paris", "The capital is Paris.", 0),
        ("ends", "5", "It is 25", 0),
    ],
)
def test_texts_are_compared_by_whole_words(type_name: str, target: Any, answer: str, value: int) -> None:
    """By default case and space do not matter, and a part of a word or number is no match."""
    assert graded(grader_spec(type_name), target, answer).value == value


@pytest.mark.parametrize(
    ("ignore", "target", "answer", "value"),
    [
        ([], "Paris", "paris", 0),
        ([], "Paris", "Paris ", 0),
        (["space"], "Paris", "paris", 0),
        (["case"], "Paris", "PARIS", 1),
        (["case"], "Paris", "PARIS ", 0),
        (["punctuation"], "Paris", "**Paris.**", 1),
        (["punctuation"], "Paris", "`Paris`", 1),
        (["punctuation"], "-5", "5", 0),
        (["punctuation"], "3.5", "35", 0),
        (["punctuation"], "5.", "(5)", 1),
        (["punctuation"], "?", "!", 0),
        (["punctuation"], "?", "?", 1),
        (["punctuation", "space"], "well-known", "well known", 1),
        (["punctuation"], "$5", "5", 0),
    ],
)
def test_only_what_is_named_is_ignored(ignore: list[str], target: str, answer: str, value: int) -> None:
    """Punctuation that makes another number of it is never ignored."""
    assert graded(grader_spec("exact", ignore=ignore), target, answer).value == value


@pytest.mark.parametrize("type_name", ["includes", "begins", "ends"])
def test_parts_of_words_match_where_the_suite_says_so(type_name: str) -> None:
    """`whole_words = false` compares characters."""
    assert graded(grader_spec(type_name, whole_words=False), "a", "aa").value == 1
    assert graded(grader_spec(type_name), "a", "aa").value == 0


def test_a_graders_own_target_takes_the_place_of_the_items() -> None:
    """As for a phrase that no answer may have."""
    assert graded(grader_spec("includes", target=["sorry", "cannot"]), "Paris", "Sorry, no").value == 1
    assert graded(grader_spec("exact", target="x"), None, "x").value == 1


@pytest.mark.parametrize("type_name", FORMS)
@pytest.mark.parametrize("target", [None, {"a": 1}, [], ["a", {"b": 1}], [None]])
def test_without_a_text_to_compare_with_nothing_is_graded(type_name: str, target: Any) -> None:
    """That is the suite's fault, not the model's."""
    grade = graded(grader_spec(type_name), target, "anything")

    assert grade.value is None
    assert grade.reason


@pytest.mark.parametrize("type_name", FORMS[1:])
def test_an_empty_target_is_in_every_answer_and_grades_none(type_name: str) -> None:
    """Also where nothing but what is ignored is in it."""
    assert graded(grader_spec(type_name), "", "anything").value is None
    assert graded(grader_spec(type_name, ignore=["punctuation"]), "...", "anything").value is None
    assert graded(grader_spec(type_name), ["", "thing"], "thing").value == 1


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@given(type_name=st.sampled_from(FORMS), target=TEXTS, ignore=st.lists(st.sampled_from(FOLDS), unique=True))
def test_a_target_is_right_as_an_answer(type_name: str, target: str, ignore: list[str]) -> None:
    """Whatever is in it, and whatever is ignored."""
    grade = graded(grader_spec(type_name, ignore=ignore), target, target)

    assert grade.value == 1 or (grade.value is None and not fold_of(ignore)(target))


@given(text=TEXTS, ignore=st.lists(st.sampled_from(FOLDS), unique=True))
def test_folding_a_folded_text_changes_nothing(text: str, ignore: list[str]) -> None:
    """Else two texts could be equal once and not twice."""
    fold = fold_of(ignore)

    assert fold(fold(text)) == fold(text)
