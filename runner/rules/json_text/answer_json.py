"""The one reader of answers as JSON: for settling, output files, `show`, and whatever reads answers later.

Whatever Python's own `json` takes is an answer: half an emoji too (`"\\ud83d"`, where a token limit cut it),
and a byte order mark. Most answers are read by orjson, which is faster and refuses these.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from typing import Final

import msgspec
import orjson

_check_grammar: Final = msgspec.json.Decoder(msgspec.Raw).decode  # it builds no values
_LF: Final = 10
_CR: Final = 13  # `in` finds a number in bytes six times as fast as a byte string
_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_WHITE: Final = b" \t\r\n"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_STRING_OR_CONSTANT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?Infinity|NaN')


def read_json(body: bytes) -> object:
    """Return the value of a body; raise ValueError for one that is not JSON.

    Strings may hold lone surrogates, which no UTF-8 text can: see `without_surrogates`. Integers
    beyond 64 bits are read as floats.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _slowly(body)[1]


def json_line(body: bytes) -> bytes | None:
    """Return a body as one line of JSON in UTF-8 for strict readers (RFC 8259); None if it is not JSON.

    The bytes stay as they are, but for line breaks between tokens, which become spaces. A byte order mark is
    dropped, and NaN and Infinity, which strict readers refuse, become null.
    """
    if is_json(body):
        return on_one_line(body)
    try:
        text, _ = _slowly(body)
    except ValueError:
        return None
    text = _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    text = _STRING_OR_CONSTANT.sub(lambda found: found[0] if found[0][0] == '"' else "null", text)
    return on_one_line(text.encode())


def is_json(raw: bytes) -> bool:
    """Return whether the bytes are one JSON value in UTF-8 and nothing else (RFC 8259)."""
    try:
        _check_grammar(raw)
        return raw.isascii() or bool(raw.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def is_whole_object(body: bytes) -> bool:
    """Return whether a body is a JSON object up to its last brace: nothing of it is missing."""
    try:
        return body.lstrip(BOM_UTF8 + _WHITE)[:1] == b"{" and isinstance(read_json(body), dict)
    except ValueError:
        return False


def on_one_line(raw: bytes) -> bytes:
    """Return JSON on one line: the line breaks between its tokens become spaces."""
    raw = raw.strip(_WHITE)
    return raw.translate(_BREAKS) if _LF in raw or _CR in raw else raw


def without_surrogates(text: str) -> str:
    """Return the text with U+FFFD for each lone surrogate, so that it can be written as UTF-8.

    Two halves side by side become their character.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _slowly(body: bytes) -> tuple[str, object]:
    """Return the body's text, without a byte order mark, and its value, as `json.loads` reads them."""
    try:
        text = body.removeprefix(BOM_UTF8).decode(json.detect_encoding(body), "surrogatepass")
        return text, json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
