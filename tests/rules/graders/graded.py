"""Makes a grader and grades one answer, for tests of graders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.evaluation.graders import make_grader
from runner.rules.evaluation.graders.grade import Answer
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite import GraderSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.graders.grade import Grade


def grader_spec(type_name: str, **options: Any) -> GraderSpec:
    """Return the spec of a grader that is called as its type is."""
    return GraderSpec(name=type_name, type=type_name, options=options)


def target_item(target: Any, choices: Sequence[str] = ()) -> Item:
    """Return an item with a target."""
    return Item(id="q", messages=[{"role": "user", "content": "?"}], target=target, choices=tuple(choices))


def graded(spec: GraderSpec, target: Any, answer: str | Answer, choices: Sequence[str] = ()) -> Grade:
    """Return the grade of an answer to an item with this target."""
    found = Answer(text=answer) if isinstance(answer, str) else answer
    return make_grader(spec).grade(target_item(target, choices), found)
