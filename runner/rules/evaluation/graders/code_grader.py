"""The grader `python`: a function of the suite's author grades an answer.

It is called here, and may do what it likes: this belongs into a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.rules.evaluation.graders.grade import Grade, unscored
from runner.rules.evaluation.graders.targets import printable

if TYPE_CHECKING:
    from runner.rules.evaluation.graders.grade import Answer
    from runner.rules.evaluation.suite.item import Item

# (answer's text, target, item) -> true or false, 0 to 1, None (not graded), or (one of these, label)
GradeFunction: TypeAlias = Callable[[str, Any, dict[str, Any]], Any]

NOT_TRUSTED: Final = "it is code of the suite, which was not run: see --trust-code"
ITEM_FIELDS: Final = ("id", "messages", "target", "choices", "body", "cluster", "metadata")
_RETURNS: Final = "true, false, a number from 0 to 1, None, or one of these with a label"


@dataclass(frozen=True, slots=True)
class CodeGrader:
    """What a function says of an answer; without a function nothing is graded."""

    function: GradeFunction | None

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return what the function returns; unscored where it returns None or nonsense, or raises."""
        if self.function is None:
            return unscored(NOT_TRUSTED)
        try:
            returned = self.function(answer.text, item.target, _item_object(item))
            return _grade_of(returned)
        except BaseException as error:  # noqa: BLE001 - it may raise whatever it likes, SystemExit too
            return unscored(_raised(error))


def code(options: Mapping[str, Any]) -> CodeGrader:
    """Make the grader `python`; its function is not a name any more."""
    function = options["function"]
    return CodeGrader(function if callable(function) else None)


def _item_object(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ITEM_FIELDS}


def _grade_of(returned: object) -> Grade:
    value, label = returned, ""
    if isinstance(returned, tuple) and len(returned) == 2:
        value, label = returned[0], "" if returned[1] is None else str(returned[1])
    if not isinstance(value, bool | int | float) and callable(scalar := getattr(value, "item", None)):
        value = scalar()  # a number of numpy or a tensor
    if value is None:
        return unscored("the function returned None", label)
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return Grade(int(value) if value in (0, 1) else float(value), label)
    return unscored(printable(f"the function returned {_shown(value)}") + f"; it may return {_RETURNS}")


def _shown(value: object) -> str:
    if isinstance(value, int | float | str) and not (isinstance(value, float) and math.isnan(value)):
        return f"{value!r:.40}" if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return "NaN" if isinstance(value, float) else f"a {type(value).__name__}"


def _raised(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = printable(str(error))
    except BaseException:  # noqa: BLE001 - an exception of theirs, with a __str__ of theirs
        text = ""
    return f"the function raised {name}: {text}" if text else f"the function raised {name}"
