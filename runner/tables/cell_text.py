"""Writes values of rows and answers as text, for the cells of a CSV table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from runner.tables.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence


def cell_text(value: object) -> str:
    """Return a value as a cell: text as it is, None empty, any other as `json_text` writes it, unquoted.

    NaN and infinity are NaN, Infinity, -Infinity: the null that they are in JSON would be an empty cell, as
    if there was no value. Inside of lists and objects they are null.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = json_text(value)
    return str(orjson.loads(text)) if text.startswith(b'"') else text.decode()


def cell_texts(values: Sequence[Any]) -> list[str]:
    """Return the values as cells."""
    return [value if type(value) is str else cell_text(value) for value in values]
