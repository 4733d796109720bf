"""The example files, each through the real `runner run` against the simulator: what a newcomer does first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from jsonschema import Draft202012Validator
from live import Home, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parents[1] / "jobs"
FILES: Final = sorted(path.name for path in FOLDER.glob("*.jsonl"))
GENEROUS: Final = (
    *("--rpm", "none", "--tpm", "none", "--rps", "none"),
    *("--announce-rpm", "60000", "--announce-tpm", "200000000", "--median-s", "0.2"),
)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def asked_for(job: dict[str, Any]) -> dict[str, Any]:
    """Return what a line wants sent, in either form."""
    body: dict[str, Any] = job.get("body", job)
    return body


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One API for all files."""
    with Simulator(tmp_path_factory.mktemp("simulator"), *GENEROUS) as running:
        yield running


@pytest.mark.parametrize("name", FILES)
def test_an_example_file_runs_to_its_end(simulator: Simulator, tmp_path: Path, name: str) -> None:
    """Exit 0; one answer a line, in order, of the kind that the line asked for; the books add up."""
    jobs = lines(FOLDER / name)

    with Home(tmp_path, simulator) as home:
        command = home.start("run", str(FOLDER / name), "-o", "out.jsonl", "-q")
        assert command.ended() == 0, command.said

    answers = lines(tmp_path / "out.jsonl")
    summary = json.loads((tmp_path / "out.summary.json").read_text())
    assert (tmp_path / "out.errors.jsonl").read_bytes() == b""
    assert summary["state"] == "finished"
    assert summary["counts"]["total"] == summary["counts"]["succeeded"] == len(jobs) == len(answers)
    assert sum(summary["finish_reasons"].values()) == len(jobs)
    assert summary["tokens"]["total"] > 0
    assert float(summary["cost"]["usd"]) > 0
    for number, (job, answer) in enumerate(zip(jobs, answers, strict=True), 1):
        assert answer["custom_id"] == job.get("custom_id", job.get("id", f"line-{number}"))
        assert answer.get("metadata") == job.get("metadata")
        assert answer["error"] is None
        check_answer(asked_for(job), answer["response"])


def check_answer(asked: dict[str, Any], response: dict[str, Any]) -> None:
    """Hold an answer against what was asked: its schema, its tools."""
    assert response["status_code"] == 200
    choice = response["body"]["choices"][0]
    message, form = choice["message"], asked.get("response_format")
    if form is not None and form["type"] == "json_schema":
        Draft202012Validator(form["json_schema"]["schema"]).validate(json.loads(message["content"]))
    calls = message.get("tool_calls") or []
    assert {call["function"]["name"] for call in calls} <= {
        tool["function"]["name"] for tool in asked.get("tools", [])
    }
    for call in calls:
        (schema,) = [
            t["function"] for t in asked["tools"] if t["function"]["name"] == call["function"]["name"]
        ]
        Draft202012Validator(schema["parameters"]).validate(json.loads(call["function"]["arguments"]))
    match asked.get("tool_choice"):
        case "required":
            assert calls
        case {"function": {"name": wanted}}:
            assert [call["function"]["name"] for call in calls] == [wanted]
    assert calls or message["content"]


def test_the_example_of_tools_brings_tool_calls() -> None:
    """Otherwise the checks above would hold for want of calls."""
    wanted = [asked_for(job).get("tool_choice") for job in lines(FOLDER / "tools.jsonl")]

    assert any(choice not in (None, "auto", "none") for choice in wanted)
