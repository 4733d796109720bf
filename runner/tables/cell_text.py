"""Writes values of rows and answers as text, for the cells of a CSV table."""

from __future__ import annotations

import base64
import json
from datetime import date, time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


def cell_text(value: object) -> str:
    """Return a value as a cell: text as it is, None empty, true and false, numbers as JSON writes them.

    Lists and objects are JSON text; dates and times ISO 8601; bytes Base64; NaN and infinity NaN, Infinity.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, (bool, int, float, list, tuple, dict)):
        return _JSON.encode(value)
    return _other(value)


def cell_texts(values: Sequence[Any]) -> list[str]:
    """Return the values as cells."""
    return [value if type(value) is str else cell_text(value) for value in values]


def _other(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value)


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_other)
