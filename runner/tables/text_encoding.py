"""Finds the encoding of a text table: the one given, UTF-8, or Windows-1252.

Only encodings are read in which each ASCII byte stands for itself: lines and delimiters are found as bytes.
"""

from __future__ import annotations

import codecs
from codecs import BOM_UTF8
from typing import Final, NamedTuple

from runner.rules.errors import UsageError
from runner.tables.table import TableError

_UTF8: Final = "utf-8"
_WINDOWS: Final = "cp1252"

# What stateful and wide encodings, and escapes, read otherwise.
_ASCII_PROBE: Final = b'",;|\t\r\n+AGE-~{VPND~}\x1b$B$"\x1b(B\\u0041'


class TextEncoding(NamedTuple):
    """A Python codec, and the byte order mark that the file begins with, or b""."""

    name: str
    bom: bytes


def find_encoding(head: bytes, given: str | None, *, is_whole: bool) -> TextEncoding:
    """Return the encoding of a file that begins with `head`; `is_whole` says that it is all of the file.

    Where none is given, a file is Windows-1252 only if no line of `head` has UTF-8 beyond ASCII and some line
    is not UTF-8: a UTF-8 file with one bad row stays a UTF-8 file. Raise TableError where `head` is neither,
    UsageError where the given encoding is unknown or not ASCII-compatible.
    """
    if given is not None:
        name = _checked(given)
        return TextEncoding(name, BOM_UTF8 if name == _UTF8 and head.startswith(BOM_UTF8) else b"")
    if head.startswith(BOM_UTF8):
        return TextEncoding(_UTF8, BOM_UTF8)
    if head.isascii():
        return TextEncoding(_UTF8, b"")
    lines = head.splitlines()
    if not is_whole:
        lines.pop()  # it may be cut inside a character
    return TextEncoding(_name_of([(n, line) for n, line in enumerate(lines, 1) if not line.isascii()]), b"")


def is_readable(raw: bytes, encoding: str) -> bool:
    """Return whether the bytes can be decoded."""
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def is_encodable(text: str, encoding: str) -> bool:
    """Return whether an encoding has all characters of a text."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _name_of(lines: list[tuple[int, bytes]]) -> str:
    """Return the encoding of numbered lines that are not ASCII."""
    if not lines or any(is_readable(line, _UTF8) for _, line in lines):
        return _UTF8
    for number, line in lines:
        if not is_readable(line, _WINDOWS):
            raise TableError(
                f"line {number} of the table is neither UTF-8 nor Windows-1252",
                fix="give its encoding, as in --encoding shift_jis or --encoding gb18030",
            )
    return _WINDOWS


def _checked(given: str) -> str:
    """Return the name of a codec that is known and reads ASCII as ASCII."""
    try:
        text = _ASCII_PROBE.decode(given)
    except LookupError:
        raise UsageError(
            f"the encoding {given!r} is unknown",
            fix="give a name such as utf-8, cp1252, latin-1 or shift_jis",
        ) from None
    except ValueError:  # UnicodeError, or a name with a NUL
        text = ""
    if given.lower().replace("_", "-") in {"utf-8", "utf8", "utf-8-sig"}:
        return _UTF8
    if text != _ASCII_PROBE.decode("ascii"):
        raise UsageError(
            f"a table in the encoding {given!r} cannot be read as it is",
            fix=f"convert it first: iconv -f {given.upper()} -t UTF-8 TABLE > NEW",
        )
    return codecs.lookup(given).name  # one name for cp1252 and windows-1252: it is part of the identity
