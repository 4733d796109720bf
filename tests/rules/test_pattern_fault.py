"""Patterns of schemas: what no engine compiles is found, what only ECMA knows is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.requests.pattern_fault import pattern_fault


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing )"),
        ("^(a|b$", "missing )"),
        ("a)", "unbalanced"),
        ("[a-z", "unterminated character set"),
        ("*a", "nothing to repeat"),
        ("a|+", "nothing to repeat"),
        ("a**", "multiple repeat"),
        ("[z-a]", "bad character range"),
        ("a{3,1}", "min repeat greater"),
        ("a\\", "end of pattern"),
    ],
)
def test_a_pattern_that_no_engine_compiles_is_found(pattern: str, reason: str) -> None:
    """With the words of the fault."""
    assert reason in (pattern_fault(pattern) or "")


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "^a$", r"^\p{L}+$", r"\P{Lu}", r"\u{1F600}", r"(?<year>\d{4})-\k<year>", r"\cJ", r"\/", r"\e"),
        *("[^]", "[]", "[[]", r"[\w-a]", "(?<=a)b", "(?<!a)b", "a{,3}", "{a}", "x{1", r"\x", r"[\d-]"),
        *(r"[z-\xff]", r"[à-\uffff]", r"[\d-z]"),
        *("(?P<a>b)", "(?i)a", "a++", "(?:a|b)*?", r"\1(a)"),
    ],
)
def test_a_pattern_that_some_engine_compiles_is_none(pattern: str) -> None:
    """A doubt is in favour of the pattern."""
    assert pattern_fault(pattern) is None


@given(st.text(alphabet="()[]{}*+?|\\^$-,0aZ<>=!:PpuUkx&~", max_size=30))
def test_any_text_has_a_fault_or_none(pattern: str) -> None:
    """It never raises."""
    assert isinstance(pattern_fault(pattern), str | None)
