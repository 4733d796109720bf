"""Graders made of others: all of them, any of them, or not that one."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.rules.evaluation.grade import Grade

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.evaluation.grade import Answer, Grader
    from runner.rules.evaluation.item import Item


class Part(NamedTuple):
    """A grader within another; `weight` is None where the suite gives it none."""

    grader: Grader
    weight: float | None


@dataclass(frozen=True, slots=True)
class NotGrader:
    """1 less the grade of its part."""

    part: Part

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return a grade; unscored where the part is."""
        found = self.part.grader.grade(item, answer)
        return found if found.value is None else Grade(1 - found.value, found.label)


@dataclass(frozen=True, slots=True)
class AllGrader:
    """The lowest grade of its parts; where one of them has a weight, the weighted mean."""

    parts: Sequence[Part]

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return a grade; unscored where a part is, unless another is 0 and the lowest counts."""
        found = [part.grader.grade(item, answer) for part in self.parts]
        if any(part.weight is not None for part in self.parts):
            return _first_unscored(found) or self._mean(found)
        lowest = min((one for one in found if one.value is not None), key=_value, default=None)
        if lowest is not None and not lowest.value:
            return lowest
        return _first_unscored(found) or lowest or Grade(0)

    def _mean(self, found: Sequence[Grade]) -> Grade:
        weights = [1 if part.weight is None else part.weight for part in self.parts]
        mean = fsum(map(_product, weights, found)) / fsum(weights)
        bounded = min(mean, 1)  # a sum may be rounded in its last digit
        return Grade(int(bounded) if bounded in (0, 1) else bounded)


@dataclass(frozen=True, slots=True)
class AnyGrader:
    """The highest grade of its parts, each times its weight (1 where it has none)."""

    parts: Sequence[Part]

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return a grade; unscored where a part is that could be higher."""
        weights = [1 if part.weight is None else part.weight for part in self.parts]
        found = [part.grader.grade(item, answer) for part in self.parts]
        scored = [
            one._replace(value=one.value * weight)
            for one, weight in zip(found, weights, strict=True)
            if one.value is not None
        ]
        best = max(scored, key=_value, default=Grade(0))
        reach = (weight for one, weight in zip(found, weights, strict=True) if one.value is None)
        if max(reach, default=0) > _value(best):
            return _first_unscored(found) or best
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


def _value(grade: Grade) -> float:
    return grade.value or 0


def _product(weight: float, grade: Grade) -> float:
    return weight * _value(grade)


def _first_unscored(found: Sequence[Grade]) -> Grade | None:
    return next((one for one in found if one.value is None), None)
