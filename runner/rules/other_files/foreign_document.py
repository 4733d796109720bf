"""Documents that hold requests: lists, objects with a list of them, and objects one after another."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

REQUESTS_AT: Final = (
    ("requests",),  # Anthropic
    ("batch_requests",),  # xAI
    ("batch", "input_config", "requests", "requests"),  # Gemini
    ("batch", "inputConfig", "requests", "requests"),
)
_list_of: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SPACE: Final = re.compile(r"\s*")


def entries_of_document(text: bytes) -> list[bytes] | None:
    """Return the entries of a document, each as written; None for text that is no JSON.

    The document is one JSON value or several: of a list its elements, of an object its list of requests, and
    an object without such a list is an entry itself.
    """
    values = _values(text)
    return None if values is None else [entry for value in values for entry in _entries(value)]


def is_whole(line: bytes) -> bool:
    """Return whether a line is one JSON value."""
    values = _values(line)
    return values is not None and len(values) == 1


def holds_requests(line: bytes) -> bool:
    """Return whether a line is a document by itself: a list, or an object with a list of requests."""
    return is_whole(line) and (line.lstrip().startswith(b"[") or _requests(line) is not None)


def _values(text: bytes) -> list[bytes] | None:
    decoder, found, place = json.JSONDecoder(), [], 0
    try:
        decoded = text.decode()
        while (place := _after_space(decoded, place)) < len(decoded):
            _, end = decoder.raw_decode(decoded, place)
            found.append(decoded[place:end].encode())
            place = end
    except (ValueError, RecursionError):
        return None
    return found


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _entries(value: bytes) -> list[bytes]:
    if value.startswith(b"["):
        return [bytes(entry) for entry in _list_of(value)]
    requests = _requests(value)
    return [value] if requests is None else [bytes(entry) for entry in _list_of(requests)]


def _requests(value: bytes | msgspec.Raw) -> msgspec.Raw | None:
    """Return the list of requests of an object, as written; None if it has none."""
    return next((found for path in REQUESTS_AT if (found := _at(value, path)) is not None), None)


def _at(value: bytes | msgspec.Raw, path: tuple[str, ...]) -> msgspec.Raw | None:
    for name in path:
        try:
            fields = _fields_of(value)
        except msgspec.DecodeError:
            return None
        if name not in fields:
            return None
        value = fields[name]
    return value if isinstance(value, msgspec.Raw) and bytes(memoryview(value)[:1]) == b"[" else None
