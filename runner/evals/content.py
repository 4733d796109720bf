"""What a night is made of, as hashes: the prompt, the models, the graders, the items."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from runner.evals.grading import resolved_grader
from runner.rules.evaluation.graders import grader_sha256
from runner.rules.evaluation.night_facts import Content
from runner.rules.evaluation.suite_json import prompt_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from runner.rules.evaluation.item import Item
    from runner.rules.evaluation.suite import Suite


def content_of(suite: Suite, items: Iterable[Item], folder: Path) -> Content:
    """Return the hashes of a suite in a folder and of its items."""
    return Content(
        prompts={subject.name: prompt_sha256(subject) for subject in suite.subjects},
        models={subject.name: subject.model for subject in suite.subjects},
        graders=grader_hashes(suite, folder),
        items=items_sha256(items),
    )


def grader_hashes(suite: Suite, folder: Path) -> dict[str, str]:
    """Return the hashes of the graders by name; that of code is one of its module's source, too."""
    return {spec.name: grader_sha256(resolved_grader(spec, folder)) for spec in suite.graders}


def items_sha256(items: Iterable[Item]) -> str:
    """Return the hash of items: their order does not matter."""
    lines = sorted(f"{item.id}\t{item.sha256}\n" for item in items)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def differences(one: Content, other: Content) -> list[str]:
    """Return what differs, in words."""
    words = {"prompts": "another prompt", "models": "another model", "graders": "other graders"}
    changed = [word for name, word in words.items() if getattr(one, name) != getattr(other, name)]
    return changed + ["other items"] * (one.items != other.items)
