"""Extraction of code and message from an error reply's body: nested or flat JSON, plain text, HTML, empty."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

JSON_BYTES_MAX: Final = 1 << 20  # a longer body is not parsed: its start is taken as text
TEXT_LENGTH_MAX: Final = 4 << 10
_INVISIBLE: Final = re.compile(r"(?is)<(script|style)\b.*?</\1>")
_TAG: Final = re.compile(r"<[!/a-zA-Z][^<>]{0,500}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """Code and message of an error, as the API wrote them; either may be ""."""

    code: str = ""
    text: str = ""

    @property
    def code_and_text(self) -> str:
        """Code and message in lower case, for the patterns of the reply tables."""
        return f"{self.code}\n{self.text}".lower()


def load_json(body: bytes) -> object:
    """Return the value of a JSON body; None if it is not JSON or longer than JSON_BYTES_MAX."""
    if len(body) > JSON_BYTES_MAX:
        return None
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None


def error_text(body: bytes) -> ErrorText:
    """Return code and message of any error body. Never raises."""
    value = load_json(body)
    if isinstance(value, dict):
        found = error_text_of_object(value)
        if found.code or found.text:
            return found
    return ErrorText(text=_as_text(body))


def error_text_of_object(value: dict[str, Any]) -> ErrorText:
    """Return code and message of a JSON error.

    Forms: `{"code", "error"}` (the usual one), `{"error": {"code", "message"}}`, `message` or `detail`.
    """
    error = value.get("error")
    inner = error if isinstance(error, dict) else value
    texts = (error, inner.get("message"), inner.get("detail"), value.get("message"), value.get("detail"))
    codes = (inner.get("code"), inner.get("type"), value.get("code"))
    return ErrorText(
        code=_first_word(codes),
        text=_first_word(texts),
    )


def _first_word(values: tuple[object, ...]) -> str:
    for value in values:
        if isinstance(value, str | int) and value:
            return str(value)[:TEXT_LENGTH_MAX]
    return ""


def _as_text(body: bytes) -> str:
    text = body[:TEXT_LENGTH_MAX].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        text = _TAG.sub(" ", _INVISIBLE.sub(" ", text))
    return text.strip()
