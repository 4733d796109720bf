"""The only object of a text is found as a plain scanner finds it, in any text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.rules.labels.repair import FENCE, PROSE, NoOneObject, RepairedAnswer, repaired


def end_of_object(text: str, start: int) -> int | None:
    """Return the offset after the brace that closes the one at `start`, character by character."""
    depth, is_string, is_escaped = 0, False, False
    for place in range(start, len(text)):
        character = text[place]
        if is_string:
            is_string = is_escaped or character != '"'
            is_escaped = not is_escaped and character == "\\"
        elif character == '"':
            is_string = True
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if not depth:
                return place + 1
    return None


def only_object(text: str) -> str | None:
    """Return the only object of a text, by the words of the rule."""
    start = text.find("{")
    end = end_of_object(text, start) if start >= 0 else None
    if end is None:
        return None
    before, after = text[:start].rstrip(), text[end:].lstrip()
    alone = not set("{}") & set(before + after) and before[-1:] != "[" and after[:1] != "]"
    return text[start:end] if alone else None


@given(st.text(alphabet='{}"\\a[]\n`', max_size=30))
@example('{{}"{"}')
@example('{"a":{"b":"}"}}')
@example('{{}{"\\')
def test_the_object_is_that_of_a_plain_scanner(text: str) -> None:
    """Or there is none, and why is said."""
    expected = only_object(text)
    if expected is None:
        with pytest.raises(NoOneObject):
            repaired(text)
        return
    assert repaired(text).text == expected


def test_an_object_is_never_changed() -> None:
    """Also where it is no JSON: that is for the caller to see."""
    assert repaired("so {'a': 1,} ok") == RepairedAnswer("{'a': 1,}", PROSE)
    assert repaired("```\n{a}\n```") == RepairedAnswer("{a}", FENCE)


def test_braces_without_end_are_given_up_early() -> None:
    """Deeper than any label is: what follows is not read."""
    assert repaired("so " + "{" * 100 + "}" * 100).text == "{" * 100 + "}" * 100
    with pytest.raises(NoOneObject, match="more than 100 levels"):
        repaired("so " + "{" * 102 + "}" * 102)
