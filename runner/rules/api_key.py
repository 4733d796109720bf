"""The API key as people set it: what a copied key must not have around or within it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

BLANK: Final = " \t\r\n"  # around a key: left out
_QUOTES: Final = frozenset("\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb\u201e")
_ASSIGNMENT: Final = re.compile(r"(?:export\s+)?XAI_API_KEY\s*=")
_BEARER: Final = re.compile(r"bearer(?:[\s:]|$)", re.IGNORECASE)


def key_fault(key: str) -> str | None:
    """Return what is wrong with a key, as the end of a sentence; None for a good one.

    It shows no visible character of the key.
    """
    if key[:1] in _QUOTES or key[-1:] in _QUOTES:
        return "has quotation marks around it, which would be sent with the key; leave them out"
    if _BEARER.match(key) or _ASSIGNMENT.match(key):
        return "has a word before the key (Bearer, or the name of the variable); give the key alone"
    return _fault_of_characters(key)


def _fault_of_characters(key: str) -> str | None:
    for char in key:
        if char in BLANK:
            return "has a space or a line break within it; give the key alone, in one piece"
        if not char.isprintable() or char.isspace():
            return f"has an invisible character in it ({_name(char)}); copy the key again, or type it"
    if not key.isascii():
        return "has a letter that no API key has; copy the key again"
    return None


def _name(char: str) -> str:
    return unicodedata.name(char, f"U+{ord(char):04X}").lower()
