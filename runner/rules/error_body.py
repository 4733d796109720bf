"""What the body of an error reply says, whatever its form: nested or flat JSON, plain text, HTML, nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

JSON_BYTES_MAX: Final = 1 << 20  # an error of more than 1 MiB is read as text, its start only
TEXT_LENGTH_MAX: Final = 4 << 10
_UNSEEN: Final = re.compile(r"(?is)<(script|style)\b.*?</\1>")
_TAG: Final = re.compile(r"<[!/a-zA-Z][^<>]{0,500}>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The API's own words. `code` is its word for the kind, `text` its sentence; either may be empty."""

    code: str = ""
    text: str = ""

    @property
    def both(self) -> str:
        """Code and sentence in lower case, for the phrases of the reply table."""
        return f"{self.code}\n{self.text}".lower()


def load(body: bytes) -> object:
    """Read a short JSON body; None where it is none."""
    if len(body) > JSON_BYTES_MAX:
        return None
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None


def said(body: bytes) -> Said:
    """Read any error body; never raises."""
    value = load(body)
    if isinstance(value, dict):
        told = of_object(value)
        if told.code or told.text:
            return told
    return Said(text=_as_text(body))


def of_object(value: dict[str, Any]) -> Said:
    """Read `{"code", "error"}` (the usual form), `{"error": {"code", "message"}}`, `message` or `detail`."""
    error = value.get("error")
    inner = error if isinstance(error, dict) else value
    told = (error, inner.get("message"), inner.get("detail"), value.get("message"), value.get("detail"))
    codes = (inner.get("code"), inner.get("type"), value.get("code"))
    return Said(
        code=_first_word(codes),
        text=_first_word(told),
    )


def _first_word(values: tuple[object, ...]) -> str:
    for value in values:
        if isinstance(value, str | int) and value:
            return str(value)[:TEXT_LENGTH_MAX]
    return ""


def _as_text(body: bytes) -> str:
    text = body[:TEXT_LENGTH_MAX].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        text = _TAG.sub(" ", _UNSEEN.sub(" ", text))
    return text.strip()
