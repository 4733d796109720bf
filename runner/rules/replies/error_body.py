"""Extraction of code and message from an error reply's body: nested or flat JSON, plain text, HTML, empty."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import orjson

JSON_BYTES_MAX: Final = 1 << 20  # a longer body is not parsed: its start is taken as text
TEXT_LENGTH_MAX: Final = 4 << 10
_INVISIBLE: Final = re.compile(r"(?is)<(script|style)\b.*?</\1>")
_TAG: Final = re.compile(r"<[!/a-zA-Z][^<>]{0,500}>")
_PAGE: Final = re.compile(
    r"(?is)\s*(<\?xml\b[^>]{0,200}>\s*)?(<!--.{0,2000}?-->\s*)*<(!doctype\s+html|html|head|title|body|script|meta)\b"
)
_CLOUDFLARE: Final = re.compile(r"error code: 1\d{3}\s*")  # its pages, for clients that accept no HTML
# What a message quotes: names, values and addresses of the request it is about. An apostrophe is no quote.
_QUOTED: Final = re.compile(
    r"`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”|(?<!\w)'[^'\n]*'(?!\w)|https?://[^\s<>\"']*|data:[^\s<>\"']*"
)


class BodyForm(StrEnum):
    """Form of a body: it shows who answered, the API or something in front of it."""

    OBJECT = "object"  # a JSON object: the API writes nothing else
    PAGE = "page"  # a page of HTML: a firewall, a login page, a proxy, a web server
    OTHER = "other"  # plain text, nothing, other JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorText:
    """Code and message of an error, as the API wrote them; either may be ""."""

    code: str = ""
    text: str = ""
    form: BodyForm = BodyForm.OTHER

    @property
    def code_and_text(self) -> str:
        """Code and message in lower case, a line each."""
        return f"{self.code}\n{self.text}".lower()

    @property
    def words(self) -> str:
        """Code and message as above, for the patterns of the reply tables.

        What the message quotes is an ellipsis: it may come from the request, and must not decide.
        """
        return f"{self.code}\n{_QUOTED.sub('…', self.text)}".lower()


def load_json(body: bytes) -> object:
    """Return the value of a JSON body; None if it is not JSON or longer than JSON_BYTES_MAX."""
    if len(body) > JSON_BYTES_MAX:
        return None
    try:
        return orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError:
        return None


def error_text(body: bytes) -> ErrorText:
    """Return code and message of any error body. Never raises."""
    value = load_json(body)
    if isinstance(value, dict):
        found = error_text_of_object(value)
        return found if found.code or found.text else replace(found, text=_as_text(body))
    return ErrorText(text=_as_text(body), form=BodyForm.PAGE if is_page(body) else BodyForm.OTHER)


def has_api_form(body: bytes) -> bool:
    """Return whether an error has the form of xAI's own: `code` and `error`, both texts."""
    value = load_json(body)
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("code", "error"))


def is_page(body: bytes) -> bool:
    """Return whether a body is a page for people, which the API never sends."""
    start = body[:TEXT_LENGTH_MAX].decode("utf-8", "replace").removeprefix("\ufeff")
    return _PAGE.match(start) is not None or _CLOUDFLARE.fullmatch(start) is not None


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
        form=BodyForm.OBJECT,
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
