"""A request that is asked again: the same bytes, with what was wrong at the end of its messages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.labels.follow_up import ANSWER_CHARACTERS_MAX, follow_up, follow_up_tokens, is_asked_again
from runner.rules.replies.chat_completion import Flaw
from runner.rules.requests.validate import validate
from runner.rules.sending.rate_limits import NOT_GIVEN

ERROR = 's: expected one of "a", "b", got "c"'
SPACE = st.sampled_from(["", " ", "\t", "\n ", "\r\n"])
NAMES = st.sampled_from(
    ['"a"', '"x:y"', '"]"', '"\\u006d"', '"m\\"essages\\":["', '"é"', '"response_format"']
)
VALUES = st.sampled_from(["1", "-0.50e1", "null", '"]"', '"\\"messages\\": []"', '{"messages": [1]}', "[[]]"])
KEYS = st.sampled_from(['"messages"', '"mess\\u0061ges"'])
MESSAGES = st.lists(
    st.sampled_from(['{"role":"user","content":"]"}', '{ "role": "system", "content": [{"type":"text"}] }']),
    min_size=1,
    max_size=3,
)


def test_the_answer_and_its_error_follow_the_last_message() -> None:
    """The last invalid answer only, then what is wrong with it and what is wanted."""
    body = b'{"model":"m","messages":[ {"role":"user","content":"Hi"} ], "seed":1}'

    assert follow_up(body, '{"s":"c"}', ERROR).decode() == (
        '{"model":"m","messages":[ {"role":"user","content":"Hi"} '
        ',{"role":"assistant","content":"{\\"s\\":\\"c\\"}"}'
        ',{"role":"user","content":"Your answer does not fit the schema: '
        's: expected one of \\"a\\", \\"b\\", got \\"c\\". '
        'Answer again with only the corrected JSON object."}], "seed":1}'
    )


@given(
    before=st.lists(st.tuples(NAMES, VALUES), max_size=2, unique_by=lambda pair: pair[0]),
    key=KEYS,
    messages=MESSAGES,
    space=SPACE,
    answer=st.text(max_size=10),
    error=st.text(max_size=10),
)
def test_every_byte_of_the_body_stays(
    before: list[tuple[str, str]], key: str, messages: list[str], space: str, answer: str, error: str
) -> None:
    """Wherever the messages stand and however their name is spelled; the same bytes each time."""
    fields = [f"{name}{space}:{space}{value}{space}" for name, value in before]
    listed = f"[{space}{f'{space},'.join(messages)}{space}"
    for place in range(len(fields) + 1):
        parts = [*fields[:place], f"{key}{space}:{space}{listed}\0]{space}", *fields[place:]]
        head, tail = f"{{{space}{f',{space}'.join(parts)}}}".split("\0")
        derived = follow_up((head + tail).encode(), answer, error)

        assert derived == follow_up((head + tail).encode(), answer, error)
        assert derived.startswith(head.encode())
        assert derived.endswith(tail.encode())
        added = json.loads(derived)["messages"][len(messages) :]
        assert [one["role"] for one in added] == (["assistant", "user"] if answer.strip() else ["user"])


def test_a_long_answer_is_cut() -> None:
    """To 4,000 characters, so that each ask costs about as much as the one before."""
    body = b'{"messages":[{"role":"user","content":"Hi"}]}'
    shown = json.loads(follow_up(body, "é" * 9_000, ERROR))["messages"][1]["content"]
    whole = json.loads(follow_up(body, "é" * ANSWER_CHARACTERS_MAX, ERROR))["messages"][1]["content"]

    assert len(shown) == ANSWER_CHARACTERS_MAX
    assert shown.endswith("é…")
    assert whole == "é" * ANSWER_CHARACTERS_MAX


def test_half_an_emoji_is_shown_as_a_character() -> None:
    """A request is UTF-8."""
    body = b'{"messages":[{"role":"user","content":"Hi"}]}'

    assert json.loads(follow_up(body, "\ud83d", "\ud83d"))["messages"][1]["content"] == "\ufffd"


@pytest.mark.parametrize("body", [b"{}", b'{"messages":1}', b'{"message":[]}', b"[]", b""])
def test_a_body_without_messages_is_refused(body: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"."):
        follow_up(body, "", ERROR)


@given(answer=st.text(max_size=200), error=st.text(max_size=50))
def test_the_estimate_grows_by_what_is_added(answer: str, error: str) -> None:
    """As a new estimate of the derived request says."""
    body = b'{"model":"grok-4.3","messages":[{"role":"user","content":"Hi"}]}'
    first = validate(json.loads(body), NOT_GIVEN).prompt_tokens
    again = validate(json.loads(follow_up(body, answer, error)), NOT_GIVEN).prompt_tokens

    assert again == first + follow_up_tokens(answer, error)


@pytest.mark.parametrize(
    ("flaw", "asks", "asks_max", "expected"),
    [
        (None, 0, 2, True),
        (None, 1, 2, True),
        (None, 2, 2, False),
        (None, 0, 0, False),
        (Flaw.LENGTH, 0, 2, False),
        (Flaw.REFUSAL, 0, 2, False),
        (Flaw.EMPTY, 0, 2, False),
    ],
)
def test_only_a_whole_answer_is_asked_again(
    flaw: Flaw | None, asks: int, asks_max: int, expected: bool
) -> None:
    """At most as often as allowed; a cut, a refused and an empty one never."""
    assert is_asked_again(flaw, asks, asks_max) is expected
