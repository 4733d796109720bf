"""Bytes of one line to a JSON object, strictly: what two readers could understand differently is refused.

A good line costs one C decoder, one C encoder and a few counts; only an odd one is read again,
slowly, by json_faults, which also words what is wrong. orjson refuses by itself bytes that are
not UTF-8, NaN and Infinity, 1e999, lone surrogates and depth beyond 1,024. Left to check here:
depth, duplicate keys, endless numbers.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from runner.rules import json_faults
from runner.rules.findings import Remark
from runner.rules.json_faults import DEPTH_MAX, DIGITS_MAX

# A numeral has at most three runs of digits; over DIGITS_MAX digits, one run is at least this long.
_LONG_RUN: Final = b"0" * (DIGITS_MAX // 3)
_LARGE: Final = 1 << 20  # a line with an image; from here on no more copies of it are made than must be
_DIGITS_AS_ZERO: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))


def parse_line(raw: bytes) -> dict[str, Any] | Remark:
    """Read one line. Gives the object, or the remark that refuses it; raises nothing.

    Integers beyond 64 bits come as floats: the value is for judging, the bytes are what is sent.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _read_slowly(raw)
    if type(value) is not dict:
        return json_faults.not_an_object(value)
    if _depth_at_most(raw, value) and _keys_differ(raw, value) and _numbers_end(raw):
        return value
    return _read_slowly(raw)


def _read_slowly(raw: bytes) -> dict[str, Any] | Remark:
    value = json_faults.read(raw)
    if isinstance(value, (dict, Remark)):
        return value
    return json_faults.not_an_object(value)


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
    """Whether no object names a key twice; False also where that is not plain.

    Decoding drops a duplicate, and with it a colon: the value written again then has fewer of them
    than the line. The colons inside strings are the same in both, unless one is written as an escape.
    """
    if b"\\" in raw and (b"\\u003a" in raw or b"\\u003A" in raw):
        return False
    if len(raw) > _LARGE:
        return raw.count(b":") == _colons(value)
    return raw.count(b":") == orjson.dumps(value).count(b":")


def _colons(value: object) -> int:
    """Count the colons of a value as it would be written, without writing it: it may be large."""
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
