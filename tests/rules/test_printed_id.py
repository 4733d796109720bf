"""What is printed of an id can be typed, whatever the id holds."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.rules.printed_id import printed_id, read_id, short_id

LIKE_ESCAPES = st.lists(st.sampled_from(["\\", "t", "x5c", "x1b", "u202e", "U0001f600", "\t", "\u202e", "a"]))


@given(st.text() | LIKE_ESCAPES.map("".join))
@example("\\\t")
@example("\\x5cx5ct")
def test_an_id_as_printed_is_that_id(custom_id: str) -> None:
    """On one line, without a character that a terminal obeys."""
    printed = printed_id(custom_id)
    assert read_id(printed) == custom_id
    assert len(printed.splitlines()) <= 1
    assert printed_id(read_id(printed)) == printed


@pytest.mark.parametrize(
    ("custom_id", "printed"),
    [
        ("tab\tx", r"tab\tx"),
        (r"tab\tx", r"tab\x5ctx"),
        ("\u202eabc", r"\u202eabc"),
        (r"C:\data\7", r"C:\data\7"),
        (r"\U00110000 \x4", r"\U00110000 \x4"),
        ('it\'s "so"', 'it\'s "so"'),
    ],
)
def test_only_what_would_be_misread_is_escaped(custom_id: str, printed: str) -> None:
    """A backslash that begins no escape stays, and so do quotes."""
    assert printed_id(custom_id) == printed


def test_a_long_id_is_cut() -> None:
    """With an ellipsis, which says so."""
    assert short_id("abc\t", 5) == "abc\\t"
    assert short_id("abcd\t", 5) == "abcd…"
