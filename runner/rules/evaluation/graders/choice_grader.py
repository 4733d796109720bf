"""The grader `choice`: whether an answer names the right letters of a multiple-choice question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.rules.evaluation.graders.choice_letters import answer_letters, named_letters, ordered
from runner.rules.evaluation.graders.targets import (
    NO_ANSWER,
    target_of,
    target_texts,
    unscored_target,
    yes_or_no,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.graders.grade import Answer, Grade
    from runner.rules.evaluation.suite.item import Item


@dataclass(frozen=True, slots=True)
class ChoiceGrader:
    """1 where the answer names the target's letters and no others.

    Several letters in one target, such as "A, C", are all to be named; a list of targets has alternatives,
    or with `is_several` the letters that are all to be named.
    """

    own_target: object
    is_several: bool

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return 1 or 0; unscored where a target names no letter of the item's choices."""
        target = target_of(item, self.own_target)
        wanted = [named_letters(text, item.choices) for text in target_texts(target)]
        if not wanted or "" in wanted:
            return unscored_target(target, "a letter of the choices")
        if self.is_several:
            wanted = [ordered("".join(wanted))]
        found = answer_letters(answer.text, item.choices)
        return yes_or_no(found in wanted, ",".join(found)) if found else NO_ANSWER


def choice(options: Mapping[str, Any]) -> ChoiceGrader:
    """Make the grader `choice`."""
    return ChoiceGrader(options.get("target"), options.get("several", False))
