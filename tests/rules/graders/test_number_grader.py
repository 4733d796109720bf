"""The grader number: the last number of an answer, as people write numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from graded import graded, grader_spec
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.graders.number_text import last_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", "5"),
        ("It is 25.", "25"),
        ("3 apples and 4 pears are 7", "7"),
        ("-5", "-5"),
        ("\u22125", "-5"),
        ("x=-5", "-5"),
        ("(-5)", "-5"),
        ("+5", "5"),
        ("10 - 5", "5"),
        ("pages 3-5", "5"),
        ("$1,234.50", "1234.5"),
        ("-$5", "-5"),
        ("\u20ac-5", "-5"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("1.234,56", "1234.56"),
        ("12,34,567", "1234567"),
        ("1 234 567", "1234567"),
        ("12\u202f345", "12345"),
        ("1'000", "1000"),
        ("1_000", "1000"),
        ("1{,}234", "1234"),
        ("1,5", "1.5"),
        ("0,125", "0.125"),
        ("0.125", "0.125"),
        (".5", "0.5"),
        ("\u00bd", "0.5"),
        ("2\u00bd", "2.5"),
        ("-\u00be", "-0.75"),
        ("1/2", "0.5"),
        ("3 1/2", "3.5"),
        ("\\frac{1}{4}", "0.25"),
        ("\\boxed{42}", "42"),
        ("**42**", "42"),
        ("_42_", "42"),
        ("1e3", "1000"),
        ("1.5E-3", "0.0015"),
        ("3 \u00d7 10^5", "300000"),
        ("3 x 10^{-2}", "0.03"),
        ("10^5", "100000"),
        ("2**10", "1024"),
        ("\uff11\uff12", "12"),
        ("\u0663\u0664", "34"),
        ("5kg", "5"),
        ("the 3rd", "3"),
        ("gpt-4", None),
        ("H2O", None),
        ("covid-19", None),
        ("1.2.3", None),
        ("3/4/2026", None),
        ("1/0", None),
        ("\u00b2", None),
        ("NaN Infinity", None),
        ("9" * 5000, None),
        ("none", None),
        ("", None),
        ("42, says gpt-4", "42"),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: str | None) -> None:
    """Digits that belong to a word, a date or a version are no number."""
    found = last_number(text)

    assert (None if found is None else found.value) == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("target", "answer", "value"),
    [
        ("5", "25", 0),
        ("25", "5", 0),
        (5, "The answer is 5.", 1),
        (5, "5.0", 1),
        (0.1, "0.10", 1),
        ("1/3", "1/3", 1),
        ("1/3", "0.333", 0),
        ("1,000", "1000", 1),
        ("-5", "5", 0),
        ([4, 6], "6", 1),
        ("12345678901234567890", "12345678901234567891", 0),
        ("25%", "25%", 1),
        ("25%", "25", 1),
        ("25%", "0.25", 1),
        ("25%", "0.25%", 0),
        (25, "25 percent", 1),
        (0.25, "25 %", 1),
        (0.25, "0.25%", 0),
        (0.5, "0.5%", 0),
        ("5", "about five", 0),
    ],
)
def test_a_number_is_right_only_as_a_whole(target: Any, answer: str, value: int) -> None:
    """No part of another number is; what is in per cent may leave out the sign, on either side."""
    assert graded(grader_spec("number"), target, answer).value == value


@pytest.mark.parametrize(
    ("options", "answer", "value"),
    [
        ({"absolute": 0.5}, "10.5", 1),
        ({"absolute": 0.5}, "10.51", 0),
        ({"relative": 0.01}, "9.9", 1),
        ({"relative": 0.01}, "9.89", 0),
        ({"relative": 0.01, "absolute": 1}, "9", 1),
    ],
)
def test_a_tolerance_includes_its_bound(options: dict[str, Any], answer: str, value: int) -> None:
    """The larger of both counts; the relative one is a share of the target."""
    assert graded(grader_spec("number", **options), 10, answer).value == value


@pytest.mark.parametrize("target", [None, "", "five", True, {"a": 1}, [5, "x"]])
def test_a_target_without_a_number_grades_nothing(target: Any) -> None:
    """That is the suite's fault, not the model's."""
    assert graded(grader_spec("number"), target, "5").value is None


def test_the_label_is_the_number() -> None:
    assert graded(grader_spec("number"), 5, "It is 1,250 %").label == "1250%"
    assert graded(grader_spec("number"), 5, "five").label == "no answer"


NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(str),
    st.floats(1e-9, 1e12).map(str),
)


@given(number=NUMBERS, words=st.sampled_from(["{}", "It is {}.", "x = {} kg", "**{}**", "$\\boxed{{{}}}$"]))
def test_a_number_is_found_in_a_sentence(number: Any, words: str) -> None:
    """Exactly, however large or small."""
    assert graded(grader_spec("number"), number, words.format(number)).value == 1
