"""Finds where the values of a JSON object stand in its text, so that all other bytes stay as written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_spans_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NAME: Final = re.compile(rb'[ \t\r\n]*"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*')
_COMMA: Final = re.compile(rb"[ \t\r\n]*,?")


class JsonMember(NamedTuple):
    """A member of an object: its name, and the offsets at which its value begins and ends."""

    name: str
    begin: int
    end: int


def json_members(text: memoryview) -> Iterator[JsonMember]:
    """Yield the members of a JSON object without duplicate names, in order; `text` starts at its brace."""
    place = 1  # after the brace
    for name, value in _spans_of(text).items():
        begin = _end(_NAME, text, place)
        end = begin + len(memoryview(value))
        yield JsonMember(name, begin, end)
        place = _end(_COMMA, text, end)


def _end(pattern: re.Pattern[bytes], text: memoryview, place: int) -> int:
    """Return the offset at which a pattern ends that begins at `place`; `place` itself without a match."""
    found = pattern.match(text, place)
    return found.end() if found else place
