"""Reads the beginning of a JSON document as far as it goes: a file's first bytes may end anywhere in it."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_CUT_SCALAR: Final = re.compile(r'"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*\\?|[\w.+-]+')
_DEPTH_MAX: Final = 40
_DECODER: Final = json.JSONDecoder()


class Prefix(NamedTuple):
    """What was read: the value with the members that are there, and where it ends.

    `is_cut`: the text ends within the value. `is_broken`: there is no JSON at `end`.
    """

    value: Any
    end: int
    is_cut: bool
    is_broken: bool


class _StopError(Exception):
    """There is nothing more to read."""


def read_prefix(text: str) -> Prefix:
    """Return the first value of a text that begins with an object or an array."""
    reader = _PrefixReader(text)
    root: list[Any] = []
    try:
        reader.read_into(root, 0)
    except _StopError:
        is_cut = reader.at >= len(text)
        return Prefix(root[0] if root else None, reader.at, is_cut, not is_cut)
    return Prefix(root[0], reader.at, is_cut=False, is_broken=False)


class _PrefixReader:
    """A place in a text; values are put into their parents before they are complete."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read_into(self, parent: list[Any] | dict[str, Any], depth: int, key: str = "") -> None:
        """Read a value into its parent. Raises _StopError where the text ends, or is no JSON."""
        opening = self._peek()
        value: Any = {"{": {}, "[": []}.get(opening)
        if value is None or depth > _DEPTH_MAX:
            _put(parent, key, self._scalar())
            return
        _put(parent, key, value)
        self.at += 1
        closing = "}" if opening == "{" else "]"
        if self._took(closing):
            return
        while True:
            name = self._key() if opening == "{" else ""
            self.read_into(value, depth + 1, name)
            if self._took(closing):
                return
            self._expect(",")

    def _peek(self) -> str:
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        if self.at >= len(self.text):
            raise _StopError
        return self.text[self.at]

    def _took(self, wanted: str) -> bool:
        if self._peek() != wanted:
            return False
        self.at += 1
        return True

    def _expect(self, wanted: str) -> None:
        if not self._took(wanted):
            raise _StopError

    def _key(self) -> str:
        if self._peek() != '"':
            raise _StopError
        key = self._scalar()
        self._expect(":")
        return str(key)

    def _scalar(self) -> Any:
        if _CUT_SCALAR.fullmatch(self.text, self.at):
            self.at = len(self.text)
            raise _StopError
        try:
            value, self.at = _DECODER.raw_decode(self.text, self.at)
        except (ValueError, RecursionError):
            raise _StopError from None
        return value


def _put(parent: list[Any] | dict[str, Any], key: str, value: Any) -> None:
    if isinstance(parent, list):
        parent.append(value)
    else:
        parent[key] = value
