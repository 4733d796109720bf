"""Graders that compare the answer's text with the target: equal to it, or has it inside, or at an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.rules.evaluation.graders.targets import RIGHT, WRONG, target_of, target_texts, unscored_target
from runner.rules.evaluation.graders.text_folding import DEFAULT_FOLDS, fold_of, remembering, stands_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.rules.evaluation.graders.grade import Answer, Grade
    from runner.rules.evaluation.graders.text_folding import Fold
    from runner.rules.evaluation.suite.item import Item


@dataclass(frozen=True, slots=True)
class ExactGrader:
    """1 where the answer is one of the targets."""

    fold: Fold
    fold_target: Fold
    own_target: object

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return 1 or 0; unscored without a target."""
        target = target_of(item, self.own_target)
        texts = target_texts(target)
        if not texts:
            return unscored_target(target, "a text")
        found = self.fold(answer.text)
        for text in texts:
            # where nothing is left of both, such as of "?" without punctuation, they are compared as they are
            if found == self.fold_target(text) and (found or text.strip() == answer.text.strip()):
                return RIGHT
        return WRONG


@dataclass(frozen=True, slots=True)
class PartGrader:
    """1 where a part of the answer is a target; `is_at(text, part)` says whether it is in its place."""

    fold: Fold
    fold_target: Fold
    is_at: Callable[[str, str], bool]
    own_target: object

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return 1 or 0; unscored without a target, or with an empty one: every text has that."""
        target = target_of(item, self.own_target)
        texts = [folded for text in target_texts(target) if (folded := self.fold_target(text))]
        if not texts:
            return unscored_target(target, "a text")
        found = self.fold(answer.text)
        for text in texts:
            if self.is_at(found, text):
                return RIGHT
        return WRONG


def exact(options: Mapping[str, Any]) -> ExactGrader:
    """Make the grader `exact`."""
    fold = _fold(options)
    return ExactGrader(fold, remembering(fold), options.get("target"))


def includes(options: Mapping[str, Any]) -> PartGrader:
    """Make the grader `includes`."""
    return _part(options, _includes_words, str.__contains__)


def begins(options: Mapping[str, Any]) -> PartGrader:
    """Make the grader `begins`."""
    return _part(options, _begins_with_words, str.startswith)


def ends(options: Mapping[str, Any]) -> PartGrader:
    """Make the grader `ends`."""
    return _part(options, _ends_with_words, str.endswith)


def _part(
    options: Mapping[str, Any], words: Callable[[str, str], bool], characters: Callable[[str, str], bool]
) -> PartGrader:
    is_at = words if options.get("whole_words", True) else characters
    fold = _fold(options)
    return PartGrader(fold, remembering(fold), is_at, options.get("target"))


def _fold(options: Mapping[str, Any]) -> Fold:
    return fold_of(options.get("ignore", DEFAULT_FOLDS))


def _includes_words(text: str, part: str) -> bool:
    start = text.find(part)
    while start >= 0:
        if stands_alone(text, start, start + len(part)):
            return True
        start = text.find(part, start + 1)
    return False


def _begins_with_words(text: str, part: str) -> bool:
    return text.startswith(part) and stands_alone(text, 0, len(part))


def _ends_with_words(text: str, part: str) -> bool:
    return text.endswith(part) and stands_alone(text, len(text) - len(part), len(text))
