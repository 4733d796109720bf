"""Makes JSON text of the values of a table or an answer, of types that JSON lacks as well."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from runner.rules.json_text.answer_json import without_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable


def json_text(value: object) -> bytes:
    """Return a value as JSON text in UTF-8, without spaces. Never raises for values of a table.

    What JSON lacks becomes: a date, a time or a timestamp its ISO 8601 text; a duration its seconds; a
    decimal its digits as text; bytes their Base64 text; NaN and infinity null; half of a surrogate pair
    U+FFFD; any other object its str(). Integers beyond 64 bits keep their digits.
    """
    try:
        return orjson.dumps(value, default=_other, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:  # a large integer, a lone surrogate, or a key that is no text
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":")).encode()


def _other(value: object) -> object:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (date, time)):
        return value.isoformat()
    return without_surrogates(str(value))


def _plain(value: Any) -> object:
    """Return the value made of what the json module can write and decode again."""
    make = _PLAIN.get(type(value))
    return _other(value) if make is None else make(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _same(value: object) -> object:
    return value


def _list(value: list[Any] | tuple[Any, ...]) -> list[object]:
    return [_plain(item) for item in value]


def _object(value: dict[Any, Any]) -> dict[str, object]:
    return {without_surrogates(str(key)): _plain(item) for key, item in value.items()}


_PLAIN: dict[type, Callable[[Any], object]] = {
    type(None): _same,
    bool: _same,
    int: _same,
    float: _finite,
    str: without_surrogates,
    list: _list,
    tuple: _list,
    dict: _object,
}
