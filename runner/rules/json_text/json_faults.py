"""Slow, exact JSON parser for a line: it decides unclear cases and finds what is wrong and where.

Nothing here recurses on the input: depth is checked before the standard decoder runs.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_text.json_grammar import syntax_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_MAX: Final = 100
DIGITS_MAX: Final = 4_000

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\]:,]|[^\s"{}\[\]:,]+', re.DOTALL)
_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_SHOWN_CHARACTERS: Final = 40
_KINDS: Final = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}


class _Token(NamedTuple):
    start: int
    text: str
    path: Path
    is_key: bool


def parse_exactly(raw: bytes) -> object:
    """Return the value of `raw`, or the `Problem` that refuses it. Never raises."""
    if _is_utf16(raw):
        return _utf16()
    if b"\0" in (raw[:1], raw.rstrip()[-1:]):
        return _nul_bytes(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(raw, error)
    if problem := _too_deep(text):
        return problem
    try:
        value: object = json.loads(text, parse_int=_integer)
    except json.JSONDecodeError as error:
        return syntax_problem(text, error)
    return _first_fault(text) or value


def not_object_problem(value: object) -> Problem:
    """Return the problem of a line that is JSON, but not an object."""
    kind = _KINDS.get(type(value), "a number")
    return Problem(
        code="not-an-object",
        column=1,
        reason=f"the line is {kind}; a job is one JSON object",
        fix="write one object a line, from { to }, without an array around them",
    )


def column_of(raw: bytes, path: Path) -> int | None:
    """Return the column, from 1, of the value at `path`; if it is missing, of its nearest ancestor.

    `raw` must be a line that was parsed without a problem.
    """
    text = raw.decode("utf-8", "replace")
    best: _Token | None = None
    for token in _tokens(text):
        if token.is_key or token.text in ":,]}":
            continue
        if token.path == path[: len(token.path)] and (best is None or len(token.path) > len(best.path)):
            best = token
            if token.path == path:
                break
    return None if best is None else best.start + 1


def _integer(text: str) -> int | float:
    """Return an integer as orjson does: exact within 64 bits, else a float."""
    if len(text) <= 20 and -(2**63) <= (number := int(text)) < 2**64:
        return number
    return float(text)


def _not_utf8(raw: bytes, error: UnicodeDecodeError) -> Problem:
    column = len(raw[: error.start].decode("utf-8")) + 1
    return Problem(
        code="not-utf8",
        column=column,
        reason=f"not UTF-8: byte 0x{raw[error.start]:02x} does not fit there",
        fix="save the file as UTF-8; from Windows-1252: iconv -f WINDOWS-1252 -t UTF-8 < FILE > NEW",
    )


def _is_utf16(raw: bytes) -> bool:
    """Return whether a line begins as UTF-16 does, or has a NUL beside most characters."""
    is_wide = len(raw) > 2 and b"\0\0" not in raw and raw.count(b"\0") * 3 > len(raw)
    return is_wide or raw.startswith(_UTF16_MARKS)


def _utf16() -> Problem:
    """Return the problem of a line in UTF-16, as where files are joined."""
    reason = "the line is UTF-16, not UTF-8"
    fix = "join the files again when each is UTF-8: iconv -f UTF-16 -t UTF-8"
    return Problem(code="utf16", column=1, reason=reason, fix=fix)


def _nul_bytes(raw: bytes) -> Problem:
    """Return the problem of bytes that were never written, as a crash or a full disk leaves them."""
    first, total = raw.index(b"\0"), raw.count(b"\0")
    what = "1 NUL byte is" if total == 1 else f"{total:,} NUL bytes are"
    rest = raw.replace(b"\0", b"").strip()
    is_cut = bool(rest) and not rest.endswith(b"}")
    where = f"in the line, from byte {first + 1:,} of it on" if rest else "in the place of text"
    mend = "complete the line or remove it, and take" if is_cut else "make the file again, or take"
    return Problem(
        code="nul-bytes",
        column=len(raw[:first].decode("utf-8", "replace")) + 1,
        reason=f"{what} {where}: the file was not written whole",
        fix=f"{mend} the NUL bytes out: tr -d '\\000' < FILE > NEW",
    )


def _too_deep(text: str) -> Problem | None:
    if text.count("{") + text.count("[") <= DEPTH_MAX:
        return None
    depth = 0
    for token in _TOKEN.finditer(text):
        bracket = token[0]
        if bracket in ("{", "["):
            depth += 1
            if depth > DEPTH_MAX:
                return Problem(
                    code="depth",
                    column=token.start() + 1,
                    reason=f"nested more than {DEPTH_MAX} levels deep",
                    fix="flatten the value, or put it into a string",
                )
        elif bracket in ("}", "]"):
            depth -= 1
    return None


def _first_fault(text: str) -> Problem | None:
    """Return the first fault in text that the standard decoder accepts; None if there is none."""
    keys: set[Path] = set()
    for token in _tokens(text):
        problem = _string_fault(token) if token.text[0] == '"' else _number_fault(token)
        if problem is not None:
            return problem
        if token.is_key:
            if token.path in keys:
                return _duplicate(token)
            keys.add(token.path)
    return None


def _duplicate(token: _Token) -> Problem:
    name = shortened(json.loads(token.text))
    return Problem(
        code="duplicate-key",
        column=token.start + 1,
        path=token.path,
        reason=f'the key "{name}" is written twice in the same object',
        fix="remove one of the two; readers disagree on which one counts",
    )


def _string_fault(token: _Token) -> Problem | None:
    try:
        json.loads(token.text).encode()
    except UnicodeEncodeError:
        return Problem(
            code="lone-surrogate",
            column=token.start + 1,
            path=token.path,
            reason="this string has half of a surrogate pair, which is no character",
            fix="write both halves, as in \\ud83d\\ude00, or the character itself",
        )
    return None


def _number_fault(token: _Token) -> Problem | None:
    text = token.text
    if text in _NOT_FINITE or (text[0] in "-0123456789" and _overflows(text)):
        return Problem(
            code="not-finite",
            column=token.start + 1,
            path=token.path,
            reason=f"{shortened(text)} is no number in JSON",
            fix="write null, or a number below 1.8e308",
        )
    if len(text) > DIGITS_MAX and sum(map(str.isdigit, text)) > DIGITS_MAX:
        return Problem(
            code="long-number",
            column=token.start + 1,
            path=token.path,
            reason=f"a number of more than {DIGITS_MAX:,} digits",
            fix="write it as a string",
        )
    return None


def _overflows(text: str) -> bool:
    return not text.lstrip("-").isdigit() and math.isinf(float(text))


def shortened(text: str) -> str:
    """Return the text, cut to 40 characters."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of text that the standard decoder accepts, each with the path of its value."""
    path: list[Any] = []  # one entry a level: the key, the index, or None before an object's first key
    is_object: list[bool] = []
    key_next = False
    for match in _TOKEN.finditer(text):
        word, is_key = match[0], False
        if word in ("}", "]"):
            path.pop()
            is_object.pop()
        elif key_next and word[0] == '"':
            path[-1] = json.loads(word)
            is_key = True
        yield _Token(match.start(), word, tuple(path), is_key)
        key_next = False
        if word in ("{", "["):
            key_next = word == "{"
            is_object.append(key_next)
            path.append(None if key_next else 0)
        elif word == ",":
            key_next = is_object[-1]
            if not key_next:
                path[-1] += 1
