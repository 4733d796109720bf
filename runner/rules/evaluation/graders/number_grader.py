"""The grader `number`: whether an answer's last number is the target's, exactly or within a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runner.rules.evaluation.graders.number_text import EXACT, ReadNumber, last_number
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

_target_number = lru_cache(maxsize=4096)(last_number)  # each is read for many answers


@dataclass(frozen=True, slots=True)
class NumberGrader:
    """1 where the answer's last number is that of a target. `relative` is a share of the target."""

    absolute: Decimal
    relative: Decimal
    own_target: object

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return 1 or 0; unscored where a target has no number."""
        target = target_of(item, self.own_target)
        wanted = [_target_number(text) for text in target_texts(target)]
        if not wanted or isinstance(target, bool):
            return unscored_target(target, "a number")
        found = last_number(answer.text)
        is_right = False
        for one in wanted:
            if one is None:
                return unscored_target(target, "a number")
            is_right = is_right or (found is not None and self._equals(found, one))
        return NO_ANSWER if found is None else yes_or_no(is_right, _label(found))

    def _equals(self, found: ReadNumber, wanted: ReadNumber) -> bool:
        """Return whether two numbers are the same, where one of them may leave out that it is in per cent.

        25 % is 0.25; also 25, but where the target is below 1 and without a sign, 0.5 % is not 0.5.
        """
        if found.is_percent == wanted.is_percent:
            return self._is_near(found.value, wanted.value)
        if found.is_percent and self._is_near(_hundredth(found.value), wanted.value):
            return True
        if wanted.is_percent and self._is_near(found.value, _hundredth(wanted.value)):
            return True
        return (wanted.is_percent or abs(wanted.value) >= 1) and self._is_near(found.value, wanted.value)

    def _is_near(self, value: Decimal, wanted: Decimal) -> bool:
        if value == wanted:
            return True
        within = max(self.absolute, EXACT.multiply(self.relative, wanted.copy_abs()))
        return EXACT.subtract(value, wanted).copy_abs() <= within


def number(options: Mapping[str, Any]) -> NumberGrader:
    """Make the grader `number`."""
    absolute, relative = (Decimal(str(options.get(key, 0))) for key in ("absolute", "relative"))
    return NumberGrader(absolute, relative, options.get("target"))


def _hundredth(value: Decimal) -> Decimal:
    return EXACT.multiply(value, Decimal("0.01"))


def _label(found: ReadNumber) -> str:
    text = str(found.value)
    return f"{text}%" if found.is_percent else text
