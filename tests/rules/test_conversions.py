"""Lines of each batch service beside the job lines that they become, held in the folder `conversions`.

The inputs are written after the public pages of each service. `GOLDEN=write` writes the held files again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runner.rules.foreign.convert_line import ConvertedLine, convert_line
from runner.rules.requests.request import Defaults, read_request
from runner.simulator import checks
from runner.simulator.models import Catalogue

FOLDER = Path(__file__).parent / "conversions"
INPUTS = sorted(path for path in FOLDER.glob("*.jsonl") if not path.name.endswith(".held.jsonl"))
MODEL = "grok-4.3"


def lines(path: Path) -> list[bytes]:
    """Return the lines of an input."""
    return path.read_bytes().splitlines()


def described(made: ConvertedLine | list[Any]) -> dict[str, Any]:
    """Return a result as it is held."""
    if isinstance(made, list):
        return {"refused": [[one.code, one.reason, one.fix] for one in made]}
    return {
        "job": json.loads(made.raw),
        "changes": [list(change) for change in made.changes],
        "warnings": [one.code for one in made.warnings],
    }


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_each_line_becomes_what_is_held(path: Path) -> None:
    """The job line, all changes with their effects, or the refusal with its cure."""
    found = [described(convert_line(raw, number, MODEL)) for number, raw in enumerate(lines(path), 1)]
    held = path.with_suffix(".held.jsonl")
    if os.environ.get("GOLDEN") == "write":
        held.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found), "utf-8")

    assert found == [json.loads(line) for line in held.read_bytes().splitlines()]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_what_is_converted_passes_the_check_and_the_api(path: Path) -> None:
    """Without a warning; the simulator, which is as strict as the API, takes the body."""
    answering = Catalogue().find(MODEL)
    assert answering is not None
    for number, raw in enumerate(lines(path), 1):
        made = convert_line(raw, number, MODEL)
        if isinstance(made, list):
            continue
        request, diagnostics = read_request(made.raw, number, Defaults(model=MODEL))
        assert request is not None
        assert diagnostics == []
        body = checks.parse("application/json", request.body)
        checks.check(body)
        checks.check_for(answering, body)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_a_job_line_is_converted_to_itself(path: Path) -> None:
    """The command may be given its own output: the same bytes come back."""
    for number, raw in enumerate(lines(path), 1):
        made = convert_line(raw, number, MODEL)
        if not isinstance(made, list):
            again = convert_line(made.raw, number, MODEL)
            assert isinstance(again, ConvertedLine)
            assert (again.raw, again.changes) == (made.raw, ())
