"""Strict JSON parser for one line: anything that two parsers could read differently is refused.

A valid line costs one C decoder, one C encoder and a few counts; an unclear one is parsed again, slowly, by
json_faults, which also finds what is wrong. orjson itself refuses bytes that are not UTF-8, NaN and Infinity,
1e999, lone surrogates and depth beyond 1,024. Checked here: depth, duplicate keys, too many digits.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from runner.rules.diagnostics import Problem
from runner.rules.json_text import json_faults
from runner.rules.json_text.json_faults import DEPTH_MAX, DIGITS_MAX

# A number has at most three runs of digits; with more than DIGITS_MAX digits, one run is at least this long.
_LONG_RUN: Final = b"0" * (DIGITS_MAX // 3)
_LARGE: Final = 1 << 20  # bytes; a line above it, with an image, is copied as little as possible
_DIGITS_AS_ZERO: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))


def parse_object(raw: bytes) -> dict[str, Any] | Problem:
    """Return the object of one line, or the problem that refuses it. Never raises.

    Integers beyond 64 bits become floats: the value is for validation only, the bytes are what is sent.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _read_slowly(raw)
    if type(value) is not dict:
        return json_faults.not_object_problem(value)
    if _depth_at_most(raw, value) and _keys_differ(raw, value) and _numbers_end(raw):
        return value
    return _read_slowly(raw)


def _read_slowly(raw: bytes) -> dict[str, Any] | Problem:
    value = json_faults.parse_exactly(raw)
    if isinstance(value, (dict, Problem)):
        return value
    return json_faults.not_object_problem(value)


def _depth_at_most(raw: bytes, value: object) -> bool:
    if raw.count(b"{") + raw.count(b"[") <= DEPTH_MAX:
        return True
    level: list[Any] = [value]
    for _ in range(DEPTH_MAX + 1):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return True
    return False


def _keys_differ(raw: bytes, value: object) -> bool:
    """Return whether no object has a key twice; False also if that is unclear.

    Decoding drops a duplicate and its colon, so the value encoded again has fewer colons than the line. The
    colons inside strings are the same in both, unless one is written as an escape.
    """
    if b"\\" in raw and (b"\\u003a" in raw or b"\\u003A" in raw):
        return False
    if len(raw) > _LARGE:
        return raw.count(b":") == _colons(value)
    return raw.count(b":") == orjson.dumps(value).count(b":")


def _colons(value: object) -> int:
    """Return the number of colons in the encoded value, without encoding it: it may be large."""
    found, left = 0, [value]
    while left:
        node = left.pop()
        if type(node) is str:
            found += node.count(":")
        elif type(node) is dict:
            found += len(node)
            left += node
            left += node.values()
        elif type(node) is list:
            left += node
    return found


def _numbers_end(raw: bytes) -> bool:
    if len(raw) <= DIGITS_MAX:
        return True
    return all(
        _LONG_RUN not in raw[start : start + _LARGE + len(_LONG_RUN)].translate(_DIGITS_AS_ZERO)
        for start in range(0, len(raw), _LARGE)
    )
