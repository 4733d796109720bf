"""The example job files are valid: none of their lines is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.intake.used_ids import UsedIds
from runner.rules.requests.request import Defaults, read_request
from runner.tables.lines import Line, LineReader

FOLDER = Path(__file__).parents[2] / "jobs"
SIZES = {
    "batch.jsonl": 10,
    "images.jsonl": 6,
    "labels.jsonl": 520,
    "questions.jsonl": 40,
    "reasoning.jsonl": 10,
    "short.jsonl": 12,
    "tools.jsonl": 12,
}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_an_example_file_is_valid(name: str, size: int) -> None:
    """No line is refused, and the only warning is that grok-4, the default, is retired."""
    ids = UsedIds()
    count = 0
    for line in LineReader(FOLDER / name):
        assert isinstance(line, Line)
        request, findings = read_request(line.raw, line.number, Defaults(model="grok-4"))

        assert request is not None
        assert {finding.code for finding in findings} <= {"retired-model"}
        assert ids.add(request.custom_id, line.number) is None
        count += 1

    assert count == size


def test_each_example_file_is_described() -> None:
    """The readme of the folder and this test list them all."""
    readme = (FOLDER / "README.md").read_text("utf-8")
    files = {path.name for path in FOLDER.glob("*.jsonl") if ".answers." not in path.name}

    assert files == set(SIZES)
    assert all(f"`{name}` | {size} |" in readme for name, size in SIZES.items())
