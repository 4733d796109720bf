"""A strict JSON reader that shares no code with the product; slow and exact, by Python's own parser."""

from __future__ import annotations

import json
import math
from typing import Any

DEPTH_MAX = 100
DIGITS_MAX = 4_000


def reference(raw: bytes) -> object:
    """Return the object of a strictly valid job line; raise ValueError otherwise."""
    text = raw.decode("utf-8")
    if text.startswith("\ufeff"):
        raise ValueError("byte order mark")

    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_no_constant, parse_float=_number, parse_int=_whole
        )
    except RecursionError:
        raise ValueError("depth") from None
    json.dumps(value, ensure_ascii=False).encode()
    if not isinstance(value, dict) or depth(value) > DEPTH_MAX:
        raise ValueError("depth or kind")
    return value


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def _no_constant(name: str) -> object:
    raise ValueError(name)


def _number(digits: str) -> float:
    if sum(character.isdigit() for character in digits) > DIGITS_MAX or math.isinf(float(digits)):
        raise ValueError("number")
    return float(digits)


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > DIGITS_MAX:
        raise ValueError("number")
    return int(digits)


def _pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in members}) < len(members):
        raise ValueError("duplicate key")
    return dict(members)
