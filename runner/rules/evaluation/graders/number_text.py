"""Reads the last number of a text as people write them: thousands, decimal commas, fractions, %, powers.

A number is exact. Digits that belong to a word (H2O, gpt-4), to a date or a version (1.2.3) are none.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Final, NamedTuple
from unicodedata import numeric

EXACT: Final = Context(prec=60, traps=[])
_DIGITS_MAX: Final = 400
_VULGAR: Final = "\u00bc-\u00be\u2150-\u215e\u2189"
_SPACE: Final = r"[\ \u00a0\u2009\u202f]"
_MARK: Final = r"[.,'\u2019_]"
_TO_ASCII: Final = str.maketrans(
    "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff0c\uff0e\uff0d\uff05\u2212\u066a\u2013",
    "0123456789,.-%-%-",
)
_LATEX_FRACTION: Final = re.compile(r"\\[dt]?frac\{(\d{1,99})\}\{(\d{1,99})\}")
_LATEX_SPACE: Final = re.compile(r"\\[,;!]|\{(?=,\})|(?<=\{,)\}")
_EXPONENT: Final = r"(?:\^|\*\*)\s?[{(]?(?P<%s>[+-]?\d{1,3})(?!\d)"
_NUMBER: Final = re.compile(
    rf"""(?=[+\-$\u20ac\u00a3\u00a5\d.{_VULGAR}])(?<![^\W_])(?<![^\W_]_)(?<![.,/])(?<![^\W\d_]-)
    (?P<sign>(?<![\w)])[+-][$\u20ac\u00a3\u00a5]?|[$\u20ac\u00a3\u00a5][+-])?
    (?:
      (?P<digits>\d{{1,3}}(?:{_SPACE}\d{{3}})++(?:[.,]\d++)?(?!\d)|\d++(?:{_MARK}\d++)*+|\.\d++)
      (?:{_SPACE}?(?P<vulgar>[{_VULGAR}])|\ (?P<mixed>\d{{1,9}}/\d{{1,9}})(?!\d)|/(?P<below>\d{{1,400}})(?!\d)
        |\s?{_EXPONENT % "raised"})?+
      |(?P<alone>[{_VULGAR}])
    )
    (?:[eE](?P<power>[+-]?\d{{1,3}})(?!\d)|\s?[x\u00d7*\u00b7]\s?10\s?{_EXPONENT % "times"})?+
    (?P<percent>\s?\\?(?:%|percent\b|per\ cent\b))?
    (?![/.,]\d)""",
    re.VERBOSE,
)


class ReadNumber(NamedTuple):
    """A number of a text; of one in per cent the number before the sign."""

    value: Decimal
    is_percent: bool = False


def last_number(text: str) -> ReadNumber | None:
    """Return the last number of a text; None where it has none."""
    plain = text.translate(_TO_ASCII) if not text.isascii() else text
    if "\\" in plain or "{" in plain:
        plain = _LATEX_FRACTION.sub(r"\1/\2", _LATEX_SPACE.sub("", plain))
    last = None
    for found in _NUMBER.finditer(plain):
        value = _value(found)
        if value is not None and value.is_finite():
            last = ReadNumber(value, found["percent"] is not None)
    return last


def _value(found: re.Match[str]) -> Decimal | None:
    value = _vulgar(found["alone"]) if found["alone"] else _with_fraction(found)
    if value is None:
        return None
    if part := found["raised"]:
        value = EXACT.power(value, int(part))
    if part := found["power"] or found["times"]:
        value = EXACT.multiply(value, EXACT.power(Decimal(10), int(part)))
    return value.copy_negate() if "-" in (found["sign"] or "") else value


def _with_fraction(found: re.Match[str]) -> Decimal | None:
    value = _decimal(found["digits"])
    if value is None:
        return None
    if part := found["vulgar"]:
        return EXACT.add(value, _vulgar(part))
    if part := found["mixed"]:
        return EXACT.add(value, _quotient(*part.split("/")))
    return EXACT.divide(value, Decimal(found["below"])) if found["below"] else value


def _decimal(text: str) -> Decimal | None:
    """Return the number that digits with marks are; None where they are a date or a version, or too long."""
    if len(text) > _DIGITS_MAX:
        return None
    if text.isdecimal():
        return Decimal(text)
    whole, rest = _split(text)
    if whole and not whole.isdecimal() and not _are_groups(whole):
        return None
    return Decimal("".join(one for one in whole if one.isdecimal()) + "." + rest)


def _split(text: str) -> tuple[str, str]:
    """Return digits before and after the decimal mark: the last, where it parts no thousands."""
    last = next(one for one in reversed(text) if not one.isdecimal())
    whole, _, rest = text.rpartition(last)
    if last not in ".," or last in whole or (last == "," and _are_groups(text)):
        return text, ""
    return whole, rest


def _are_groups(text: str) -> bool:
    """Return whether one mark parts the thousands, or as in India also the hundred thousands."""
    marks = {one for one in text if not one.isdecimal()}
    if len(marks) != 1 or text.startswith("0"):
        return False
    first, *middle, last = text.split(marks.pop())
    return 1 <= len(first) <= 3 and all(len(one) in (2, 3) for one in middle) and len(last) == 3


def _vulgar(character: str) -> Decimal:
    """Return the value of a character such as ½; none of them has more than tenths."""
    value = numeric(character)
    below = next(below for below in range(1, 11) if abs(value * below - round(value * below)) < 1e-9)
    return _quotient(str(round(value * below)), str(below))


def _quotient(above: str, below: str) -> Decimal:
    return EXACT.divide(Decimal(above), Decimal(below))
