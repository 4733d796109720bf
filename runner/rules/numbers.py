"""Numbers as people write them: one parser for counts, decimals and spans of time each.

Money is a decimal, read by `budget.parse_usd`.

Only the digits 0 to 9, a decimal point, and commas between groups of exactly three digits are read. Anything
else is refused with a sentence: a number that is read otherwise than it was meant costs money.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

COUNT_MAX: Final = 10**12 - 1  # more is a typing error
SPAN_MAX_S: Final = 3650 * 86_400.0  # ten years
_REASONS: Final = (
    (r"\s|.*\s\Z", "it has a space or line break before or after it"),
    (r"[-+\u2212]", "it has a sign"),
    (r"[0-9]{31}", "it is too long"),
    (r".*[_\s]", "it has a space or _ in it; only commas may separate groups of digits"),
    (r"[0-9][0-9.,]*[eE][+-]?[0-9]+$", "it has an exponent"),
    (r"[$0-9.,dhms]*,", "a comma only separates groups of three digits; the decimal sign is a point"),
    (r"[$0-9]*\.[$0-9.]*$", "its point is out of place"),
)
_SPAN_REASONS: Final = (
    (r"([0-9.,]+[dhms])+[0-9.,]+$", "each of its numbers needs a unit"),
    (r"([0-9]+(\.[0-9]+)?[dhms])+$", "its units come in the order d, h, m, s, each once"),
    (r"[0-9.]+[DHMSdhms][DHMSdhms0-9.]*$", "its units are d, h, m and s, in small letters"),
)
_SHOWN: Final = 40  # characters of a refused value
_WHOLE: Final = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]{1,30})"
_COUNT: Final = re.compile(_WHOLE)
_DECIMAL: Final = re.compile(rf"(?:{_WHOLE}(?:\.[0-9]{{1,30}})?|\.[0-9]{{1,30}})")
_SPAN: Final = re.compile(
    r"(?:(?P<d>[0-9.,]+)d)?(?:(?P<h>[0-9.,]+)h)?(?:(?P<m>[0-9.,]+)m)?(?:(?P<s>[0-9.,]+)s)?"
)
_UNITS_S: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


class NumberError(ValueError):
    """A text that is no number of the wanted kind: what is wrong, and how to write it, as a sentence."""


def parse_count(text: str) -> int:
    """Return a whole number from 0 to COUNT_MAX, such as `1000` or `1,000`. Raises NumberError."""
    if not _COUNT.fullmatch(text):
        raise NumberError(_sentence(text, "whole number", "1000 or 1,000"))
    count = int(text.replace(",", ""))
    if count > COUNT_MAX:
        raise NumberError(f"{_shown(text)} is more than {COUNT_MAX:,}")
    return count


def parse_decimal(text: str, kind: str = "number", examples: str = "1250 or 0.75") -> Decimal:
    """Return a number from 0 up, such as `0.75` or `1,250.5`, exactly as written. Raises NumberError.

    `kind` and `examples` are words of its sentence.
    """
    if not _DECIMAL.fullmatch(text):
        raise NumberError(_sentence(text, kind, examples))
    return Decimal(text.replace(",", ""))


def parse_span_s(text: str, *, needs_unit: bool = False) -> float:
    """Return a span of time above 0, such as `90`, `90s`, `15m`, `1h30m` or `2d`, in seconds.

    A number alone is seconds, unless `needs_unit`. Beside other units each number has its own: `1h30` may be
    meant as 30 minutes. Units are small letters: elsewhere M is a month. Raises NumberError.
    """
    if _DECIMAL.fullmatch(text):
        if needs_unit:
            raise NumberError(f"{_shown(text)} has no unit; write {text}d for days, or h, m or s")
        return _span_s(text, {"s": text})
    found = _SPAN.fullmatch(text)
    parts = {unit: part for unit, part in found.groupdict().items() if part} if found else {}
    if not parts or not all(_DECIMAL.fullmatch(part) for part in parts.values()):
        words = _sentence(text, "span of time", "90s, 15m, 1.5h or 1h30m", (*_SPAN_REASONS, *_REASONS))
        raise NumberError(words)
    return _span_s(text, parts)


def _span_s(text: str, parts: Mapping[str, str]) -> float:
    span_s = sum(float(part.replace(",", "")) * _UNITS_S[unit] for unit, part in parts.items())
    if not 0 < span_s <= SPAN_MAX_S:
        raise NumberError(f"{_shown(text)} is not more than 0 and at most 3650d")
    return span_s


def _sentence(text: str, kind: str, examples: str, reasons: tuple[tuple[str, str], ...] = _REASONS) -> str:
    word = text.strip()
    if not word:
        return f"nothing is given; write {examples}"
    cents = re.fullmatch(r"\$?([0-9]+),([0-9]{1,2})([dhms]?)", word)
    if cents and "." in examples:
        examples = f"{cents[1]}.{cents[2]}{cents[3]}"
    return f"{_shown(text)} is no {kind} ({_reason(text, reasons)}); write {examples}"


def _reason(text: str, reasons: tuple[tuple[str, str], ...]) -> str:
    """Return what about a text keeps it from being a number: the first of the reasons that fits."""
    for pattern, reason in reasons:
        if re.match(pattern, text, re.DOTALL):
            return reason
    if any(char not in "0123456789" and unicodedata.digit(char, None) is not None for char in text):
        return "its digits are not 0 to 9"
    return "it has other characters than digits and a decimal point"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
