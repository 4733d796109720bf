"""A stored completion as an answer to grade."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.graders.grade import Answer
from runner.rules.evaluation.graders.read_answer import read_answer
from runner.rules.replies.chat_completion import Kind, read_completion


def completion(message: dict[str, Any], **fields: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": fields.pop("finish_reason", "stop")}
    return orjson.dumps({"id": "c", "object": "chat.completion", "choices": [choice], **fields})


def test_an_answer_has_its_text_and_what_the_service_says_of_it() -> None:
    body = completion(
        {"role": "assistant", "content": "Paris"},
        model="grok-4.3",
        system_fingerprint="fp_7aa",
        usage={"prompt_tokens": 5, "completion_tokens": 2, "cost_in_usd_ticks": 900},
    )

    found = read_answer(body, epoch=2, latency_ms=1_500)

    assert found is not None
    assert found.answer == Answer(
        text="Paris",
        finish_reason="stop",
        completion_tokens=2,
        cost_ticks=900,
        latency_ms=1_500,
        epoch=2,
        body=orjson.loads(body),
    )
    assert (found.model, found.fingerprint) == ("grok-4.3", "fp_7aa")


@pytest.mark.parametrize(
    ("message", "finish_reason", "text", "flaw"),
    [
        ({"content": "Par"}, "length", "Par", "length"),
        ({"content": None, "refusal": "No."}, "stop", "", "refusal"),
        ({"content": "Well,"}, "content_filter", "Well,", "refusal"),
        ({"content": " "}, "stop", " ", "empty"),
        ({}, "stop", "", "empty"),
        ({"content": "", "tool_calls": [{"function": {"arguments": '{"a": 1}'}}]}, "stop", '{"a": 1}', None),
    ],
)
def test_a_flaw_is_named_and_the_text_is_what_there_is(
    message: dict[str, Any], finish_reason: str, text: str, flaw: str | None
) -> None:
    found = read_answer(completion(message, finish_reason=finish_reason))

    assert found is not None
    assert (found.answer.text, found.answer.flaw) == (text, flaw)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"<html>",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"error": "x"}',
        b"[]",
        b"[" * 9_999,
    ],
)
def test_what_is_no_answer_is_none(body: bytes) -> None:
    assert read_answer(body) is None


def test_half_a_character_is_replaced() -> None:
    """So that it can be stored and shown."""
    found = read_answer(b'{"choices": [{"message": {"content": "a\\ud83d"}}], "system_fingerprint": 7}')

    assert found is not None
    assert (found.answer.text, found.fingerprint) == ("a\ufffd", None)


@given(
    message=st.dictionaries(
        st.sampled_from(["content", "refusal", "tool_calls"]), st.none() | st.text(max_size=5) | st.just([{}])
    ),
    finish_reason=st.sampled_from(["stop", "length", "content_filter", None]),
    usage=st.none() | st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens"]), st.integers()),
)
def test_it_is_read_as_completions_are_when_they_come(
    message: dict[str, Any], finish_reason: str | None, usage: dict[str, int] | None
) -> None:
    """The same bodies are answers, with the same text and flaw."""
    try:
        body = completion(message, finish_reason=finish_reason, usage=usage)
    except TypeError:
        return  # an integer beyond 64 bits
    whole, found = read_completion(body), read_answer(body)

    assert (found is not None) == (whole.kind is Kind.GOOD)
    assert found is not None
    assert (found.answer.text, found.answer.flaw) == (whole.content or "", whole.flaw)
    assert found.answer.finish_reason == whole.finish_reason
