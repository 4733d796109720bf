"""The grader `similarity`: how much of the target's words or characters an answer has."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.rules.evaluation.graders.grade import Grade
from runner.rules.evaluation.graders.targets import target_of, target_texts, unscored_target, yes_or_no
from runner.rules.evaluation.graders.text_folding import UNSPACED, fold_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.rules.evaluation.graders.grade import Answer
    from runner.rules.evaluation.suite.item import Item

METHODS: Final = ("words", "characters")
_CHARACTERS_MAX: Final = 20_000  # of a text; what is beyond it is not compared
_WORD: Final = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
_fold = fold_of(("case", "space"))


@dataclass(frozen=True, slots=True)
class SimilarityGrader:
    """The similarity with the most similar target, or where `at_least` is given whether it is that much."""

    compare: Callable[[str, str], float]
    at_least: float | None
    own_target: object

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return a grade; unscored without a target."""
        target = target_of(item, self.own_target)
        texts = target_texts(target)
        if not texts:
            return unscored_target(target, "a text")
        found = _fold(answer.text)[:_CHARACTERS_MAX]
        value = max(self.compare(found, _fold(text)[:_CHARACTERS_MAX]) for text in texts)
        if self.at_least is None:
            return Grade(int(value) if value in (0, 1) else value)
        return yes_or_no(value >= self.at_least, f"{value:.2f}")


def similarity(options: Mapping[str, Any]) -> SimilarityGrader:
    """Make the grader `similarity`."""
    compare = edit_ratio if options.get("method") == "characters" else token_f1
    return SimilarityGrader(compare, options.get("at_least"), options.get("target"))


def token_f1(text: str, target: str) -> float:
    """Return F1 of two texts: the harmonic mean of the shares of words that the other has too.

    A word counts as often as both have it; of scripts without spaces, a character is a word.
    """
    found, wanted = _WORD.findall(text), _WORD.findall(target)
    if not found or not wanted:
        return float(text == target)
    both = (Counter(found) & Counter(wanted)).total()
    return 2 * both / (len(found) + len(wanted))


def edit_ratio(text: str, target: str) -> float:
    """Return 1 less the edit distance, as a share of the longer text's length."""
    longest = max(len(text), len(target))
    return 1 - edit_distance(text, target) / longest if longest else 1.0


def edit_distance(text: str, target: str) -> int:
    """Return how many characters must be inserted, removed or replaced to make one text of the other.

    The method is Myers' of 1999, in the form for whole texts: a column of the table of distances is kept as
    two numbers, with a bit where it rises by one from a cell to the next, and one where it falls.
    """
    if not text or not target:
        return max(len(text), len(target))
    places: dict[str, int] = {}
    for place, character in enumerate(target):
        places[character] = places.get(character, 0) | 1 << place
    every = (1 << len(target)) - 1
    last = 1 << (len(target) - 1)
    rises, falls, distance = every, 0, len(target)
    for character in text:
        same = places.get(character, 0)
        vertical = same | falls
        horizontal = (((same & rises) + rises) ^ rises) | same
        up, down = falls | (every & ~(horizontal | rises)), rises & horizontal
        distance += bool(up & last) - bool(down & last)
        up = up << 1 | 1
        rises = (down << 1 | ~(vertical | up)) & every
        falls = up & vertical & every
    return distance
