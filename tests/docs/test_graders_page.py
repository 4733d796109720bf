"""The graders of docs/graders.md can be made, and grade their examples as the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from runner.rules.evaluation.graders import make_grader
from runner.rules.evaluation.graders.grade import Answer
from runner.rules.evaluation.graders.grader_types import TYPES
from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.suite import GraderSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = (Path(__file__).parents[2] / "docs/graders.md").read_text(encoding="utf-8")
BLOCKS: Final = [
    block for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) for block in text.split("\n\n")
]
EXAMPLES: Final = re.compile(r"^# \"(.*?)\": (.*)$", re.MULTILINE)  # a target, then answers with their scores
ANSWER: Final = re.compile(r"(\"[^\"]*\"|'[^']*') ([\d.]+)")


def spec_of(block: str) -> GraderSpec:
    (table,) = tomllib.loads(block)["grader"]
    options = {key: value for key, value in table.items() if key not in ("name", "type", "primary")}
    return GraderSpec(name=table["name"], type=table["type"], options=options)


def examples() -> Iterator[tuple[str, Any, str, float]]:
    """Yield the block, target, answer and score of each example."""
    for block in BLOCKS:
        for target, answers in EXAMPLES.findall(block):
            assert re.sub(ANSWER, "", answers).strip(", ") == ""
            for answer, score in ANSWER.findall(answers):
                yield block, target or None, answer[1:-1], float(score)


@pytest.mark.parametrize(("block", "target", "answer", "score"), list(examples()))
def test_an_example_has_the_score_that_the_page_says(
    block: str, target: Any, answer: str, score: float
) -> None:
    item = Item(id="q", messages=[], target=target)

    assert make_grader(spec_of(block)).grade(item, Answer(text=answer)).value == score


def test_each_type_of_grader_has_an_example() -> None:
    """Which can be made; more than half of them are graded."""
    specs = [spec_of(block) for block in BLOCKS]
    for spec in specs:
        make_grader(spec)

    assert {spec.type for spec in specs} == set(TYPES)
    assert len({block for block, *_ in examples()}) > len(TYPES) / 2
