"""The grader `scores`: takes the scores that something else gave, by item and epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.rules.evaluation.graders.grade import Grade, unscored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.graders.grade import Answer
    from runner.rules.evaluation.suite.item import Item


@dataclass(frozen=True, slots=True)
class GivenScoresGrader:
    """The score that an item has for the answer's epoch, by the epoch's number as text."""

    scores: Mapping[str, Mapping[str, float | None]]

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return the score; unscored where there is none."""
        value = self.scores.get(item.id, {}).get(str(answer.epoch))
        if value is None:
            return unscored("it has no score")
        return Grade(int(value) if value in (0, 1) else value)


def given_scores(options: Mapping[str, Any]) -> GivenScoresGrader:
    """Make the grader `scores`; without its mapping nothing is graded."""
    return GivenScoresGrader(options.get("scores", {}))
