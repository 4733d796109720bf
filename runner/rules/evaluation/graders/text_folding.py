"""Folds texts that are to count as equal into one: what graders ignore of an answer and of its target."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, TypeAlias
from unicodedata import category, normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Fold: TypeAlias = Callable[[str], str]

FOLDS: Final = ("case", "space", "punctuation")
_REMEMBERED: Final = 4096  # texts
DEFAULT_FOLDS: Final = ("case", "space")

# Characters without a width; those that join letters (U+200C, U+200D) have a meaning.
_NO_WIDTH: Final = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
_MARKS: Final = re.compile(r"[^\w\s]|_")
_DIGITS_AROUND: Final = re.compile(r"(?<=\d)[.,:/](?=\d)|(?<!\w)[-\u2212](?=\d)")
# Scripts that are written without spaces between words, or with endings that stick to them.
UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uffdc"
    "\U00020000-\U0003ffff"
)
_UNSPACED: Final = re.compile(f"[{UNSPACED}]")


def fold_of(ignored: Iterable[str]) -> Fold:
    """Return the function that folds a text; `ignored` are some of FOLDS.

    Composed and decomposed characters are always equal. Ignored space: what is around the text, and how much
    is between words. Ignored punctuation does not touch that of numbers: -5 is not 5, and 3.5 is not 35.
    """
    ways = frozenset(ignored)
    return _case_and_space if ways == {"case", "space"} else partial(_folded, ways=ways)


def remembering(fold: Fold) -> Fold:
    """Return a fold that remembers the last texts, for targets: each is folded for many answers."""
    return lru_cache(maxsize=_REMEMBERED)(fold)


def stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether the part from `start` to `end` is not a piece of a longer word or number."""
    if start and _is_joined_before(text, start):
        return False
    return end == len(text) or not _is_joined_after(text, end)


def _case_and_space(text: str) -> str:
    if not text.isascii():
        text = normalize("NFC", text).translate(_NO_WIDTH)
    return " ".join(text.casefold().split())


def _folded(text: str, ways: frozenset[str]) -> str:
    if not text.isascii():
        text = normalize("NFC", text)
    if "punctuation" in ways:
        text = _without_punctuation(text)
    if "space" in ways:
        text = " ".join(text.translate(_NO_WIDTH).split())
    return normalize("NFC", text.casefold()) if "case" in ways else text


def _without_punctuation(text: str) -> str:
    kept = {found.start() for found in _DIGITS_AROUND.finditer(text)}
    return _MARKS.sub(lambda found: found[0] if found.start() in kept else _kept_mark(found[0]), text)


def _kept_mark(mark: str) -> str:
    """Return a mark that is no punctuation, such as a currency sign; hyphens and dashes become spaces."""
    kind = category(mark)
    if kind == "Pd":
        return " "
    return "" if kind[0] == "P" or mark == "`" else mark


def _is_joined_before(text: str, start: int) -> bool:
    first, before = text[start], text[start - 1]
    further = text[start - 2] if start > 1 else " "
    if first.isdigit() and before in ".,":
        return further.isdigit()
    if first.isdigit() and before in "-\u2212":
        return not further.isalnum()  # a minus, no hyphen
    return _is_one_word(before, first)


def _is_joined_after(text: str, end: int) -> bool:
    last, after = text[end - 1], text[end]
    if last.isdigit() and after in ".,":
        return text[end + 1 : end + 2].isdigit()
    return _is_one_word(last, after)


def _is_one_word(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not _UNSPACED.match(left) and not _UNSPACED.match(right)
