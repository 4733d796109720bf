"""The JSON object of an answer, read strictly: nothing in it may be read in two ways.

What Python's own `json` takes is read (`answer_json`), but a name that is written twice in one object, NaN,
Infinity and numbers beyond a double are refused, because no table can hold them as they were meant.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

import orjson

from runner.rules.json_text.answer_json import read_json, without_surrogates
from runner.rules.json_text.json_faults import shortened
from runner.rules.labels.repair import DEPTH_MAX, NoOneObject, repaired

_BOM: Final = "\ufeff"
_INTEGER_BITS: Final = 64


class InvalidAnswer(ValueError):  # noqa: N818 - named as the state of its row
    """An answer that cannot be used; its text is one sentence for the model and for people."""


class _NotJson(ValueError):  # noqa: N818 - it never leaves this file
    """A text that is not JSON as a whole."""


def answer_object(text: str, *, repairs: bool) -> tuple[dict[str, Any], str | None]:
    """Return the object of an answer, and the name of the repair that found it, if any.

    Its strings hold no lone surrogates. Raises InvalidAnswer. Takes time in proportion to the length.
    """
    try:
        return _read(text), None
    except _NotJson as error:
        reason = str(error)
    try:
        found = repaired(text)
    except NoOneObject as error:
        raise InvalidAnswer(str(error)) from None
    if found.text == text.strip():
        raise InvalidAnswer(f"the JSON object is not valid: {reason}")
    if not repairs:
        raise InvalidAnswer("there is other text around the JSON object")
    try:
        return _read(found.text), found.repair
    except _NotJson as error:
        raise InvalidAnswer(f"the JSON object is not valid: {error}") from None


def _read(text: str) -> dict[str, Any]:
    """Return the object that a text is. Raises _NotJson, or InvalidAnswer where the text is other JSON."""
    raw = text.encode("utf-8", "surrogatepass")
    try:
        value = read_json(raw)
    except ValueError as error:
        raise _NotJson(str(error)) from None
    if type(value) is not dict:
        raise InvalidAnswer("the answer is JSON, but not an object")
    if raw.count(b"{") + raw.count(b"[") > DEPTH_MAX and not _depth_at_most(value, DEPTH_MAX):
        raise InvalidAnswer(f"the answer is nested more than {DEPTH_MAX} levels deep")
    return value if _is_plain(raw, value) else _read_exactly(text)


def _is_plain(raw: bytes, value: dict[str, Any]) -> bool:
    """Return whether a value surely says what its text does; False also where that is unclear.

    A name written twice is gone from the value, and its colon with it; NaN and Infinity become null. What
    has a NUL was read as UTF-16.
    """
    if 0 in raw:
        return False
    try:
        encoded = orjson.dumps(value)
    except TypeError:
        return False  # a lone surrogate, or an integer beyond 64 bits
    return raw.count(b":") == encoded.count(b":") and raw.count(b"null") == encoded.count(b"null")


def _read_exactly(text: str) -> dict[str, Any]:
    """Return the object of a text, its surrogates replaced. Raises InvalidAnswer, or _NotJson."""
    try:
        value: dict[str, Any] = json.loads(
            text.removeprefix(_BOM),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except json.JSONDecodeError as error:  # JSON as UTF-16 only: a text with NUL
        raise _NotJson(str(error)) from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidAnswer(f'the key "{without_surrogates(shortened(name))}" is written twice')
        found[without_surrogates(name)] = _without_surrogates(value)
    return found


def _without_surrogates(value: Any) -> Any:
    """Return a value of an object with U+FFFD for lone surrogates; objects within have none any more."""
    if isinstance(value, str):
        return without_surrogates(value)
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value


def _integer(text: str) -> int | float:
    """Return an integer as it is within 64 bits, else as a double."""
    if len(text) <= 20 and -(2 ** (_INTEGER_BITS - 1)) <= (number := int(text)) < 2**_INTEGER_BITS:
        return number
    return _finite(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidAnswer(f"{shortened(text)} is not a number that JSON can hold")
    return number


def _depth_at_most(value: Any, depth_max: int) -> bool:
    level = [value]
    for _ in range(depth_max):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return True
    return False
