"""Replaces the model that a request body names; every other byte stays as it was written."""

from __future__ import annotations

import re
from typing import Final

import msgspec
import orjson

_spans_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NAME: Final = re.compile(rb'[ \t\r\n]*"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*')
_COMMA: Final = re.compile(rb"[ \t\r\n]*,?")


def replace_model(body: bytes | msgspec.Raw, model: str) -> bytes:
    """Return a body with another model; one that names none gets it as its first field.

    `body` is the text of a JSON object without duplicate names, from its brace on. One copy is made: a body
    may have an image.
    """
    view = memoryview(body)
    named = orjson.dumps(model)
    place = 1  # after the brace
    for name, value in _spans_of(view).items():
        place += _length(_NAME, view[place:])
        length = len(memoryview(value))
        if name == "model":
            return b"".join((view[:place], named, view[place + length :]))
        place += length
        place += _length(_COMMA, view[place:])
    separator = b"," if place > 1 else b""
    return b"".join((b'{"model":', named, separator, view[1:]))


def _length(pattern: re.Pattern[bytes], view: memoryview) -> int:
    """Return how many bytes of a view a pattern matches at its start."""
    found = pattern.match(view)
    return found.end() if found else 0
