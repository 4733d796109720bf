"""The items of a night beside those of its pool: the lines of NIGHT.items.csv."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import TYPE_CHECKING

from runner.rules.evaluation.forms.items_csv import ItemLine
from runner.rules.evaluation.night_gate import POOL_MOST
from runner.rules.evaluation.scores import pooled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.rules.evaluation.night_facts import NightFacts
    from runner.rules.evaluation.scores import Score


def item_lines(facts: NightFacts) -> Iterator[ItemLine]:
    """Yield a line for every item by every grader, in the order of the suite; both measurements together."""
    pool = [night for night in facts.past if night.is_accepted][-POOL_MOST:]
    measured = [facts.first] if facts.again is None else [facts.first, facts.again]
    for column in facts.first.scores:
        tonight = pooled([one.scores[column] for one in measured])
        before = pooled([night.scores.get(column, {}) for night in pool])
        for item, scores in tonight.items():
            known, base = _known(scores), _known(before.get(item, ()))
            yield ItemLine(
                variant=column.variant,
                id=item,
                grader=column.grader,
                answers=len(scores),
                measured=len(known),
                score=fsum(known),
                base_answers=len(base),
                base_score=fsum(base),
            )


def _known(scores: Sequence[Score]) -> list[float]:
    return [score for score in scores if score is not None]
