"""What is odd about a suite with its items, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.evals.night.compile_night import metadata_names
from runner.evals.suite.item_prompt import ItemPrompt
from runner.rules.counted import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite


def suite_warnings(suite: Suite, items: Sequence[Item]) -> list[str]:
    """Return what is odd about a suite."""
    return [*_hidden_choices(suite, items), *_missing_targets(items)]


def _hidden_choices(suite: Suite, items: Sequence[Item]) -> Iterator[str]:
    names = metadata_names(items)
    shown = [ItemPrompt(subject, names).shows_choices for subject in suite.subjects]
    hidden = sum(1 for item in items if any(choice not in item.text for choice in item.choices))
    if hidden and not all(shown):
        fix = 'write user = "{{ input }}\\n\\n{{ choices }}" in the subject'
        yield f"{count(hidden, 'item')} with choices that the model is not shown: {fix}"


def _missing_targets(items: Sequence[Item]) -> Iterator[str]:
    missing = [item.id for item in items if item.target is None]
    if missing and len(missing) == len(items):
        yield "no item has a target: only graders that need none can grade its answers"
    elif missing:
        yield f"{count(len(missing), 'item')} without a target, such as {missing[0]:.60}"
