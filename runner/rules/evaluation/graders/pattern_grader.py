"""The grader `regex`: a pattern of the suite finds the part of an answer that is compared with the target.

A pattern may take for ever on some texts, and cannot be interrupted: it belongs into a process of its own.
"""

from __future__ import annotations

import re
import warnings
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.rules.evaluation.graders.targets import (
    NO_ANSWER,
    RIGHT,
    printable,
    target_of,
    target_texts,
    unscored_target,
    yes_or_no,
)
from runner.rules.evaluation.graders.text_folding import DEFAULT_FOLDS, fold_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.graders.grade import Answer, Grade
    from runner.rules.evaluation.graders.text_folding import Fold
    from runner.rules.evaluation.suite.item import Item

_GROUP: Final = "answer"  # the group that counts, where a pattern has one of this name


@dataclass(frozen=True, slots=True)
class PatternGrader:
    """1 where the last match has the target: in its group `answer`, else in the first that took part.

    A pattern without groups needs no target: 1 where it matches.
    """

    pattern: re.Pattern[str]
    fold: Fold
    own_target: object

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return 1 or 0; unscored without a target that the pattern's group needs."""
        target = target_of(item, self.own_target)
        targets = target_texts(target)
        if self.pattern.groups and not targets:
            return unscored_target(target, "a text")
        last = next(iter(deque(self.pattern.finditer(answer.text), maxlen=1)), None)
        if last is None:
            return NO_ANSWER
        if not self.pattern.groups:
            return RIGHT
        captured = _captured(last)
        if captured is None:
            return NO_ANSWER
        found = self.fold(captured)
        return yes_or_no(any(found == self.fold(text) for text in targets), printable(captured))


def pattern_of(options: Mapping[str, Any]) -> PatternGrader:
    """Make the grader `regex`."""
    fold = fold_of(options.get("ignore", DEFAULT_FOLDS))
    return PatternGrader(compiled(options["pattern"]), fold, options.get("target"))


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as Python reads it. Raises re.error, OverflowError or RecursionError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as of a set within a set; it still means something
        return re.compile(pattern)


def _captured(match: re.Match[str]) -> str | None:
    if _GROUP in match.re.groupindex:
        return match[_GROUP]
    return next((group for group in match.groups() if group is not None), None)
