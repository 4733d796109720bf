"""Finds the letters of a multiple-choice question that a text answers with."""

from __future__ import annotations

import re
from collections import deque
from functools import lru_cache
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final, NamedTuple
from unicodedata import normalize

from runner.rules.evaluation.graders.text_folding import fold_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKUP: Final = re.compile(r"[*_`$]|\\(?:boxed|text|textbf|mathrm|mathbf)\b")
_BRACKETS: Final = str.maketrans("{}[]<>\u3010\u3011\u300c\u300d", "()()()()()")
_MARKER: Final = re.compile(
    r"\b(?:answers?|options?|choices?)\b[ \t]*(?:(?:is|are)\b|[:=\u2013\u2014-])[ \t:]*"
    r"(?:(?:options?|choices?|letters?)\b[ \t]*)?\s*",
    re.IGNORECASE,
)
_MARKERS_MAX: Final = 50  # that are looked at, from the last
_AFTER_MARKER: Final = 300  # characters that are looked at
_JOINT: Final = r"[ \t]*(?:,[ \t]*(?:and|or)\b|[,;/&+]|\b(?:and|or)\b)[ \t]*"
_CACHED: Final = 4096  # targets, and lists of choices
_fold = fold_of(("case", "space", "punctuation"))


class _Letters(NamedTuple):
    """The letters that a question has. `texts` are the folded choices that no other choice equals."""

    several: re.Pattern[str]  # one letter, or a list such as "A, B, and C"
    run: re.Pattern[str] | None  # such as AC; only where the choices are known: YES is no run of letters
    begins_line: re.Pattern[str]
    bracketed: re.Pattern[str]
    texts: Mapping[str, str]


def answer_letters(text: str, choices: tuple[str, ...]) -> str:
    """Return the letters that a text answers with, in the order of the alphabet; "" where it names none.

    They are, in this order: what follows the last "answer:", "answer is" and the like; the text as a whole,
    or its last or first line, where it is nothing but letters, or the text of a choice; the only letter that
    begins a line with a mark, such as "B) Paris"; the only one in brackets.
    """
    letters = _letters_of(choices)
    plain = _plain(text)
    return (
        _marked(plain, letters)
        or _whole(plain, letters)
        or _line(plain, letters)
        or _only(letters.begins_line, plain)
        or _only(letters.bracketed, plain)
    )


@lru_cache(maxsize=_CACHED)
def named_letters(text: str, choices: tuple[str, ...]) -> str:
    """Return the letters that a text is, or those of the choice whose text it is; "" for any other text."""
    return _whole(_plain(text), _letters_of(choices))


def ordered(letters: str) -> str:
    """Return letters in the order of the alphabet, each once."""
    return "".join(sorted(set(letters)))


@lru_cache(maxsize=_CACHED)
def _letters_of(choices: tuple[str, ...]) -> _Letters:
    upper = ascii_uppercase[: len(choices)] if choices else ascii_uppercase
    one = rf"\({{0,3}}(?:[{upper.replace('I', '')}]"
    one += r"|I(?![ \t]+\w))" if "I" in upper else ")"  # as in "B, I think"
    one += r"\){0,3}(?![\w'\u2019])"
    small = rf"\({{0,3}}[{upper.lower()}]\){{0,3}}(?![\w'\u2019])"
    lists = [rf"{letter}(?:{_JOINT}{letter})*" for letter in (one, rf"{small}(?![ \t]+\w)")]
    folded = [_fold(choice) for choice in choices]
    return _Letters(
        several=re.compile(rf"{'|'.join(lists)}|\({{0,3}}[{upper.lower()}]\){{1,3}}"),
        run=re.compile(rf"[{upper}]{{2,26}}(?!\w)") if choices else None,
        begins_line=re.compile(
            rf"^[ \t]*\(?([{upper}{upper.lower()}])(?:\)|[.:](?=\s|$)|[ \t]+[\u2013\u2014-][ \t])",
            re.MULTILINE,
        ),
        bracketed=re.compile(rf"(?<!\w)\(([{upper}])\)"),
        texts={
            text: letter
            for letter, text in zip(ascii_uppercase, folded, strict=False)
            if text and folded.count(text) == 1
        },
    )


def _plain(text: str) -> str:
    """Return a text with full-width letters as plain ones, all brackets as (), and no markup."""
    if not text.isascii():
        text = normalize("NFKC", text)
    return _MARKUP.sub("", text).translate(_BRACKETS)


def _marked(text: str, letters: _Letters) -> str:
    """Return the letters after the last marker that has some."""
    for found in reversed(deque(_MARKER.finditer(text), maxlen=_MARKERS_MAX)):
        line = text[found.end() : found.end() + _AFTER_MARKER].partition("\n")[0]
        if named := _whole(line, letters) or _first_letters(line, letters):
            return named
    return ""


def _whole(text: str, letters: _Letters) -> str:
    bare = text.strip().strip(".,;:!?\"'").strip()
    for pattern in (letters.several, letters.run):
        if pattern and (found := pattern.fullmatch(bare)):
            return _letters_in(found[0])
    return _of_choice_text(bare, letters)


def _line(text: str, letters: _Letters) -> str:
    lines = text.strip().splitlines()
    return (_whole(lines[-1], letters) or _whole(lines[0], letters)) if lines else ""


def _only(pattern: re.Pattern[str], text: str) -> str:
    """Return the letter that all matches have; where they differ, the question was repeated: "" then."""
    found = {letter.upper() for letter in pattern.findall(text)}
    return found.pop() if len(found) == 1 else ""


def _first_letters(line: str, letters: _Letters) -> str:
    found = letters.several.match(line) or (letters.run and letters.run.match(line))
    return _letters_in(found[0]) if found else ""


def _of_choice_text(text: str, letters: _Letters) -> str:
    return letters.texts.get(_fold(text), "") if letters.texts else ""


def _letters_in(text: str) -> str:
    """Return the letters of a list of them."""
    return ordered("".join(one for one in re.sub(_JOINT, " ", text).upper() if one.isalpha()))
