"""A stored answer is parsed leniently, except for numbers that are money."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.replies.chat_completion import (
    TICKS_MAX,
    Completion,
    Flaw,
    Kind,
    read_completion,
    read_content,
)

USAGE = {
    "prompt_tokens": 703,
    "completion_tokens": 4,
    "total_tokens": 957,
    "prompt_tokens_details": {"text_tokens": 703, "audio_tokens": 0, "image_tokens": 3, "cached_tokens": 679},
    "completion_tokens_details": {"reasoning_tokens": 250, "audio_tokens": 0},
    "num_sources_used": 0,
    "cost_in_usd_ticks": 58_965_000,
}


def answer(**changes: Any) -> bytes:
    whole = {
        "id": "x",
        "object": "chat.completion",
        "model": "grok-4-0709",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "4", "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "service_tier": "default",
    }
    return json.dumps({**whole, **changes}).encode()


def message(**fields: Any) -> list[Any]:
    return [{"message": fields, "finish_reason": "stop"}]


def test_an_ordinary_answer_is_read_whole() -> None:
    """Model, finish reason, tier and every billed token count."""
    read = read_completion(answer())
    assert (read.kind, read.model, read.finish_reason, read.service_tier) == (
        Kind.GOOD,
        "grok-4-0709",
        "stop",
        "default",
    )
    assert (read.flaw, read.error, read.content) == (None, None, "4")
    usage = read.usage
    assert usage is not None
    assert (usage.prompt, usage.cached, usage.image) == (703, 679, 3)
    assert (usage.completion, usage.reasoning, usage.total) == (4, 250, 957)
    assert usage.reported_ticks == 58_965_000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.NOT_JSON),
        (b"<html>", Kind.NOT_JSON),
        (answer()[:-1], Kind.NOT_JSON),
        (b"[1]", Kind.NOT_JSON),
        (b"null", Kind.NOT_JSON),
        (b'{"a":NaN}', Kind.NO_CHOICES),
        (b'{"a":"\xff"}', Kind.NOT_JSON),
        (b'{"a":"\\ud800"}', Kind.NO_CHOICES),
        (b"\xef\xbb\xbf" + answer(), Kind.GOOD),
        (answer().replace(b'"4"', b'"a joke \\ud83d"'), Kind.GOOD),
        (answer().replace(b'"total_tokens": 957', b'"total_tokens": NaN'), Kind.GOOD),
        (b'{"a":' + b"[" * 100_000, Kind.NOT_JSON),
        (b"{}", Kind.NO_CHOICES),
        (answer(choices=[]), Kind.NO_CHOICES),
        (answer(choices=None), Kind.NO_CHOICES),
        (answer(choices={"0": {}}), Kind.NO_CHOICES),
        (answer(choices=[{"text": "old form"}]), Kind.NO_CHOICES),
        (answer(choices=[], error=None), Kind.NO_CHOICES),
        (b'{"code":"internal","error":"Internal error"}', Kind.ERROR_INSIDE),
        (b'{"error":{"message":"overloaded","code":"x"}}', Kind.ERROR_INSIDE),
        (b'{"error":true}', Kind.ERROR_INSIDE),
        (b'{"error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}', Kind.SAFETY),
        (b'{"code":"internal","error":"The deferred generation failed: boom"}', Kind.GENERATION_FAILED),
        (answer(choices=[], error={"message": "Generation failed"}), Kind.GENERATION_FAILED),
        (answer(error="a warning beside an answer"), Kind.GOOD),
        (answer(error={"message": "generation failed"}), Kind.GOOD),
    ],
)
def test_the_kind_of_an_answer(body: bytes, kind: Kind) -> None:
    """An answer with a message is good, even beside an error: it was paid for."""
    read = read_completion(body)
    assert read.kind is kind
    assert (read.error is None) == (kind is Kind.GOOD)


@pytest.mark.parametrize(
    ("body", "is_final"),
    [
        (answer(), True),
        (answer(choices=[]), True),
        (b'{"choices":[],"usage":{}}', True),
        (b'{"id":"x","object":"chat.completion"}', True),
        (b'{"error":"boom","usage":{"cost_in_usd_ticks":7}}', True),
        (b'{"code":"internal","error":"The deferred generation failed: boom"}', True),
        (b'{"error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}', True),
        (b"", False),
        (b"\n", False),
        (b"null", False),
        (b"[1]", False),
        (b"{}", False),
        (answer()[:60], False),
        (answer()[:-1], False),
        (b"<html>the generation failed</html>", False),
        (b'{"status":"pending"}', False),
        (b'{"request_id":"x"}', False),
        (b'{"error":{"message":"upstream connect error"}}', False),
        (b'{"id":"x","object":"error"}', False),
        (b'{"id":"","object":"chat.completion"}', False),
        (b'{"usage":null,"choices":[]}', False),
    ],
)
def test_what_is_final_and_what_is_asked_for_again(body: bytes, is_final: bool) -> None:
    """Only the API itself writes usage, completions and failed generations; a proxy writes anything."""
    assert read_completion(body).is_final is is_final


def test_words_with_a_lone_surrogate_can_be_stored() -> None:
    """Half an emoji in a name or an error: no UTF-8 text holds it, so U+FFFD stands for it."""
    body = json.dumps({"error": "boom \ud83d", "model": "m\udc00"}).encode()
    read = read_completion(body)
    assert (read.error, read.model) == ("boom \ufffd", "m\ufffd")


def test_an_error_inside_keeps_its_words_and_usage() -> None:
    """The errors file shows them, and the usage may have been billed."""
    read = read_completion(b'{"code":"internal","error":"boom","model":"m","usage":{"cost_in_usd_ticks":7}}')
    assert (read.error, read.model) == ("boom", "m")
    assert read.usage is not None
    assert read.usage.reported_ticks == 7


@pytest.mark.parametrize(
    ("choices", "flaw"),
    [
        (message(content="x"), None),
        (message(content=""), Flaw.EMPTY),
        (message(content=" \n"), Flaw.EMPTY),
        (message(content=None), Flaw.EMPTY),
        (message(), Flaw.EMPTY),
        (message(content=[{"type": "text", "text": "x"}]), None),
        (message(content=None, tool_calls=[{"id": "1"}]), None),
        (message(content=None, tool_calls=[]), Flaw.EMPTY),
        (message(content=None, refusal="I can't"), Flaw.REFUSAL),
        (message(content="x", refusal=""), None),
        ([{"message": {"content": "x"}, "finish_reason": "length"}], Flaw.LENGTH),
        ([{"message": {"content": ""}, "finish_reason": "length"}], Flaw.LENGTH),
        ([{"message": {"content": ""}, "finish_reason": "content_filter"}], Flaw.REFUSAL),
    ],
)
def test_the_flaw_of_a_good_answer_is_found(choices: list[Any], flaw: Flaw | None) -> None:
    """The user may want to count such answers, or to have their jobs fail."""
    read = read_completion(answer(choices=choices))
    assert (read.kind, read.flaw) == (Kind.GOOD, flaw)


@pytest.mark.parametrize("wrong", [-1, "12", 1.5, True, None, 10**30, [], {}])
def test_a_count_that_is_no_count_is_absent(wrong: object) -> None:
    """Money is not computed from invalid numbers: without tokens and charge there is no usage."""
    without = {**USAGE, "cost_in_usd_ticks": wrong}
    assert read_completion(answer(usage={**without, "prompt_tokens": wrong})).usage is None
    assert read_completion(answer(usage={**without, "completion_tokens": wrong})).usage is None
    usage = read_completion(answer(usage=without)).usage
    assert usage is not None
    assert usage.reported_ticks is None
    details = {
        **USAGE,
        "prompt_tokens_details": wrong,
        "completion_tokens_details": {"reasoning_tokens": wrong},
    }
    usage = read_completion(answer(usage={**details, "total_tokens": wrong})).usage
    assert usage is not None
    assert (usage.cached, usage.image, usage.reasoning, usage.total) == (0, 0, 0, 707)


def test_a_missing_total_includes_the_reasoning() -> None:
    """Reasoning is billed as output, and is not part of completion_tokens."""
    usage = read_completion(answer(usage={**USAGE, "total_tokens": None})).usage
    assert usage is not None
    assert usage.total == 703 + 4 + 250


@pytest.mark.parametrize(("ticks", "kept"), [(0, 0), (TICKS_MAX, TICKS_MAX), (TICKS_MAX + 1, None)])
def test_a_charge_is_kept_within_reason(ticks: int, kept: int | None) -> None:
    """A reported 0 is valid; more than $10,000 for one answer is not, and would break sums."""
    usage = read_completion(answer(usage={**USAGE, "cost_in_usd_ticks": ticks})).usage
    assert usage is not None
    assert usage.reported_ticks == kept


@pytest.mark.parametrize("word", ["", 5, None, "x" * 101, ["stop"]])
def test_words_that_are_no_words_are_absent(word: object) -> None:
    """They become keys of counters, so they must be short strings."""
    choices = [{"message": {"content": "x"}, "finish_reason": word}]
    read = read_completion(answer(model=word, service_tier=word, choices=choices))
    assert (read.model, read.service_tier, read.finish_reason) == (None, None, None)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["message", "content", "prompt_tokens", "completion_tokens", "code", "reasoning_tokens"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
NAMES = ("choices", "usage", "model", "error", "code", "service_tier")


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_make_it_raise(body: bytes) -> None:
    """The result always has the declared types."""
    read = read_completion(body)
    assert isinstance(read, Completion)
    assert read.usage is None or all(
        type(n) is int and n >= 0
        for n in (read.usage.prompt, read.usage.cached, read.usage.completion, read.usage.total)
    )
    assert (read.kind is Kind.GOOD) == (read.error is None)
    assert read_content(body) == read.content


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"content": "yes"}, "yes"),
        ({"content": " "}, " "),
        ({"content": "half \ud83d"}, "half \ud83d"),
        ({"content": None}, None),
        ({"content": [{"type": "text", "text": "yes"}]}, None),
        ({"content": None, "tool_calls": [CALL]}, '{"a":1}'),
        ({"content": "I call f", "tool_calls": [CALL]}, '{"a":1}'),
        ({"content": "yes", "tool_calls": []}, "yes"),
        ({"content": "yes", "tool_calls": [CALL, CALL]}, "yes"),
        ({"content": None, "tool_calls": [CALL, CALL]}, None),
        ({"content": "yes", "tool_calls": [{"function": {"arguments": {"a": 1}}}]}, "yes"),
        ({"content": "yes", "tool_calls": [1]}, "yes"),
        ({"content": "yes", "tool_calls": {"0": CALL}}, "yes"),
    ],
)
def test_what_an_answer_says_is_its_text_or_its_only_call(
    fields: dict[str, Any], content: str | None
) -> None:
    """A forced tool call has the answer in its arguments. The short way finds the same."""
    body = answer(choices=message(**fields))
    assert read_completion(body).content == read_content(body) == content


def test_a_body_that_is_no_answer_says_nothing() -> None:
    """Nor is what an answer said written out in a log of it."""
    assert read_completion(b'{"error":"x"}').content is None
    assert "secret" not in repr(read_completion(answer(choices=message(content="secret"))))
