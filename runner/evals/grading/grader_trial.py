"""Tries the graders of a suite on the items' own targets: what is right must be graded 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.evaluation.graders.grade import Answer
from runner.rules.recipes.recipe import RecipeFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.rules.evaluation.graders.grade import Grade, Grader
    from runner.rules.evaluation.suite.item import Item, JsonValue
    from runner.rules.evaluation.suite.suite import GraderSpec, Suite

_COMPARING: Final = frozenset(
    {"exact", "includes", "begins", "ends", "choice", "number", "field", "fields", "similarity"}
)
_COMBINING: Final = frozenset({"all", "any"})
_SHOWN_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderTrial:
    """What a grader says of the targets.

    `tried` items have a target, `wrong` of them were not graded 1, and `examples` are the first of these.
    `not_tried` is why nothing was tried, else None.
    """

    grader: GraderSpec
    tried: int = 0
    wrong: int = 0
    examples: Sequence[str] = ()
    not_tried: str | None = None


def try_graders(suite: Suite, items: Sequence[Item]) -> list[GraderTrial]:
    """Return a trial of each grader; no code of the suite is run."""
    return [_trial(spec, items) for spec in suite.graders]


def _trial(spec: GraderSpec, items: Sequence[Item]) -> GraderTrial:
    if (why_not := _why_not_tried(spec)) is not None:
        return GraderTrial(grader=spec, not_tried=why_not)
    graded = list(_grades_of_targets(spec, items))
    wrong = [(item, grade) for item, grade in graded if grade.value != 1]
    examples = tuple(_sentence(item, grade) for item, grade in wrong[:_SHOWN_MAX])
    return GraderTrial(grader=spec, tried=len(graded), wrong=len(wrong), examples=examples)


def misfit_faults(suite: Suite, items: Sequence[Item]) -> list[RecipeFault]:
    """Return the graders of gates that cannot grade any answer as right, by the items' own targets.

    A night would be paid for without a verdict.
    """
    gated = {gate.grader for gate in suite.gates}
    return [fault for spec in suite.graders if spec.name in gated for fault in _misfit(spec, items)]


def _misfit(spec: GraderSpec, items: Sequence[Item]) -> Iterator[RecipeFault]:
    if not items or _why_not_tried(spec) is not None:
        return
    graded = _grades_of_targets(spec, items)
    first = next(graded, None)
    if first is None:
        fix = "add the targets, or use a grader that needs none"
        yield RecipeFault(f"grader.{spec.name}", "no item has a target, with which it compares answers", fix)
    elif first[1].value != 1 and all(grade.value != 1 for _, grade in graded):
        reason = f"does not grade any target as right, such as that of {_sentence(*first)}"
        yield RecipeFault(f"grader.{spec.name}", reason, "correct the targets, or use another grader")


def _why_not_tried(spec: GraderSpec) -> str | None:
    """Return why a grader is not tried; None where it is."""
    from runner.rules.evaluation.graders import may_hang, runs_code

    if runs_code(spec):
        return "it is code of the suite, which runner eval runs only with --trust-code"
    if may_hang(spec):
        return "it runs in a process of its own"
    if not _compares(spec.type, spec.options):
        return "it needs none"
    return None


def _grades_of_targets(spec: GraderSpec, items: Sequence[Item]) -> Iterator[tuple[Item, Grade]]:
    """Yield the items that have a target, each with the grade of an answer that says it."""
    from runner.rules.evaluation.graders import make_grader

    grader: Grader = make_grader(spec)
    for item in items:
        if item.target is not None:
            yield item, grader.grade(item, Answer(text=_right_answer(spec, item.target)))


def _compares(type_name: str, options: Mapping[str, Any]) -> bool:
    """Return whether a grader looks at the target of an item, in all of its parts."""
    if type_name in _COMBINING:
        return all(_compares(part["type"], part) for part in options["graders"])
    return type_name in _COMPARING and "target" not in options


def _right_answer(spec: GraderSpec, target: JsonValue) -> str:
    """Return an answer that says the target: of several right texts the first, else JSON."""
    one: Any = target[0] if isinstance(target, list | tuple) and target else target
    if spec.type == "field" and not isinstance(target, dict):
        one = target
        for name in reversed(spec.options["field"].split(".")):
            one = {name: one}
    return one if isinstance(one, str) else orjson.dumps(one).decode()


def _sentence(item: Item, grade: Grade) -> str:
    said = grade.reason or grade.label or ("" if grade.value is None else f"graded {grade.value:g}")
    return f"{item.id:.60}: {said}"
