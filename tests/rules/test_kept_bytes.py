"""A model's answer is kept as it came; other bytes are kept without secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.redact import redact_cut
from runner.rules.replies.chat_completion import read_completion
from runner.rules.replies.kept_bytes import to_keep, without_secrets

KEY = "xai-canary-5b1e0c7f"
PASSWORD = "p/a\"s&s<w>'ö"
SECRETS = (KEY, PASSWORD)
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in KEY)


@pytest.mark.parametrize(
    "body",
    [
        f"<html><title>{KEY}</title></html>".encode(),
        f"Bearer {KEY}".encode(),
        json.dumps({"error": {"message": f"bad {KEY} and {PASSWORD}"}}).encode(),
        json.dumps({"error": PASSWORD}, ensure_ascii=False).encode(),
        f'{{"error": "{ESCAPED}"}}'.encode(),
        b'{"error": "p\\/a\\"s\\u0026s\\u003cw\\u003e\'\\u00f6"}',
        "p/a&quot;s&amp;s&lt;w&gt;&#x27;ö".encode(),
        f'[{{"{KEY}": ["{KEY}"]}}'.encode(),
        b"\xff\xfe " + KEY.encode() + b" \x80",
        f"cut off in {KEY[:9]}".encode(),
    ],
    ids=range(10),
)
def test_what_is_no_answer_is_kept_without_secrets(body: bytes) -> None:
    """In text, pages, JSON in any spelling, and where the bytes break off."""
    kept, answer = to_keep(body, read_completion(body), SECRETS)
    assert b"***" in kept
    for shown in (kept.decode("utf-8", "replace"), answer.error or "", str(_value(kept))):
        assert KEY[:9] not in shown
        assert PASSWORD not in shown


@pytest.mark.parametrize(
    "fields",
    [{"choices": [{"message": {"content": KEY}}]}, {"choices": [], "usage": {"total_tokens": 1}, "x": KEY}],
)
def test_an_answer_is_kept_byte_for_byte(fields: dict[str, object]) -> None:
    """Whatever the model wrote."""
    body = json.dumps(fields).encode()
    assert to_keep(body, read_completion(body), SECRETS) == (body, read_completion(body))


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            {"error": [KEY, {KEY: 1}], "n": [1.5, None, True]},
            {"error": ["***", {"***": 1}], "n": [1.5, None, True]},
        ),
        ([[KEY]], [["***"]]),
        (KEY, "***"),
    ],
)
def test_a_secret_is_hidden_at_any_depth(body: object, kept: object) -> None:
    """In names and in texts, also where JSON writes it in another way; the rest stays."""
    escaped = json.dumps(body).replace("x", "\\u0078")
    for written in (json.dumps(body), escaped):
        assert json.loads(without_secrets(written.encode(), SECRETS)) == kept


@given(st.binary(max_size=200))
def test_bytes_without_secrets_stay_as_they_are(body: bytes) -> None:
    """They are compared with those of the next reply."""
    assert without_secrets(body, ("a-secret-that-is-not-there",)) == body


@given(st.integers(4, len(KEY)))
def test_the_beginning_of_a_secret_at_a_cut_is_hidden(length: int) -> None:
    """A text is cut at a fixed length, wherever that falls."""
    assert redact_cut(f"it was {KEY[:length]}", SECRETS) == "it was ***"


def _value(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None
