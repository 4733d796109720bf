"""Marks in a prompt that set labels of the answer: `[label:sentiment=negative]`.

The name is a property of the schema, or the path of a nested one, `address.city`. The value is JSON
(`4`, `null`, `["price","quality"]`) or words without brackets (`very negative`).
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

import orjson

MARK_START: Final = "[label:"
_FLAGS: Final = {"yes": True, "no": False}
_NAME = re.compile(r"\[label:([^=\[\]\n]+)=[ \t]*")
_WORDS = re.compile(r"([^\[\]\n]*)\]")
_CLOSING = re.compile(r"[ \t]*\]")
_DECODER = json.JSONDecoder()


class Marked(NamedTuple):
    """The values of a text's marks by name, as they stand there, and the text without its marks."""

    labels: dict[str, str]
    text: str


def read_marks(text: str) -> Marked:
    """Return the labels of a text. The last of several marks with one name counts; one not closed is text."""
    if MARK_START not in text:
        return Marked({}, text)
    labels: dict[str, str] = {}
    kept: list[str] = []
    at = 0
    for found in _NAME.finditer(text):
        read = _read_value(text, found.end()) if found.start() >= at else None
        if read is not None:
            labels[found[1].strip()], end = read
            kept.append(text[at : found.start()])
            at = end
    return Marked(labels, "".join([*kept, text[at:]]))


def readings(label: str) -> list[Any]:
    """Return the values that a label may mean, in order: JSON, true or false for yes or no, its words."""
    found = _read_json(label, 0)
    values = [found[0]] if found and found[1] == len(label) else []
    if label in _FLAGS:
        values.append(_FLAGS[label])
    return [*values, label]


def _read_value(text: str, start: int) -> tuple[str, int] | None:
    """Return the value from `start` on and the end of its mark; None if the mark is not closed."""
    found = _read_json(text, start)
    closing = _CLOSING.match(text, found[1]) if found else None
    if found and closing:
        return text[start : found[1]], closing.end()
    words = _WORDS.match(text, start)
    return (words[1].strip(), words.end()) if words else None


def _read_json(text: str, start: int) -> tuple[Any, int] | None:
    """Return the JSON value from `start` on and its end; None if there is none that a reply can hold."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        is_kept = orjson.loads(orjson.dumps(value)) == value  # NaN and 1e999 would become null
    except (ValueError, RecursionError, orjson.JSONEncodeError):
        return None
    return (value, end) if is_kept else None
