"""Graders made of others: all of them, any of them, or not that one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.rules.evaluation.graders.grade import Grade

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runner.rules.evaluation.graders.grade import Answer, Grader
    from runner.rules.evaluation.suite.item import Item


class GraderPart(NamedTuple):
    """A grader within another; `weight` is None where the suite gives it none."""

    grader: Grader
    weight: float | None


@dataclass(frozen=True, slots=True)
class NotGrader:
    """1 less the grade of its part."""

    part: GraderPart

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return a grade; unscored where the part is."""
        found = self.part.grader.grade(item, answer)
        return found if found.value is None else Grade(1 - found.value, found.label)


@dataclass(frozen=True, slots=True)
class AllGrader:
    """The lowest grade of its parts; where one of them has a weight, the weighted mean."""

    parts: Sequence[GraderPart]

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return a grade; unscored where a part is, unless another is 0 and the lowest counts."""
        found = [part.grader.grade(item, answer) for part in self.parts]
        if any(part.weight is not None for part in self.parts):
            return _first_unscored(found) or self._mean(found)
        lowest = min(found, key=_value)  # one without a score counts as the highest
        return lowest if lowest.value == 0 else _first_unscored(found) or lowest

    def _mean(self, found: Sequence[Grade]) -> Grade:
        weights = [_weight(part) for part in self.parts]
        mean = math.fsum(map(_product, weights, found)) / math.fsum(weights)
        bounded = min(mean, 1)  # a sum may be rounded in its last digit
        return Grade(int(bounded) if bounded in (0, 1) else bounded)


@dataclass(frozen=True, slots=True)
class AnyGrader:
    """The highest grade of its parts, each times its weight (1 where it has none)."""

    parts: Sequence[GraderPart]

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return a grade; unscored where a part is that could be higher."""
        found = [(part.grader.grade(item, answer), _weight(part)) for part in self.parts]
        best = max((_weighted(*one) for one in found), key=_known, default=Grade(0))
        reach = max((weight for one, weight in found if one.value is None), default=0)
        if reach > _known(best):
            return _first_unscored(one for one, _ in found) or best
        return best


def not_it(options: Mapping[str, Any]) -> NotGrader:
    """Make the grader `not`."""
    return NotGrader(options["graders"][0])


def all_of(options: Mapping[str, Any]) -> AllGrader:
    """Make the grader `all`."""
    return AllGrader(options["graders"])


def any_of(options: Mapping[str, Any]) -> AnyGrader:
    """Make the grader `any`."""
    return AnyGrader(options["graders"])


def _weight(part: GraderPart) -> float:
    return 1 if part.weight is None else part.weight


def _weighted(grade: Grade, weight: float) -> Grade:
    return grade if grade.value is None else grade._replace(value=grade.value * weight)


def _value(grade: Grade) -> float:
    return math.inf if grade.value is None else grade.value


def _known(grade: Grade) -> float:
    return -1 if grade.value is None else grade.value


def _product(weight: float, grade: Grade) -> float:
    return weight * _known(grade)


def _first_unscored(found: Iterable[Grade]) -> Grade | None:
    return next((one for one in found if one.value is None), None)
