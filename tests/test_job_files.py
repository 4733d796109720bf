"""Each example file runs to its end with `runner run` against the simulator, as a new user would run it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import engine_kept, run_command
from jsonschema import Draft202012Validator
from live_runner import LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).parents[1] / "jobs"
ANSWERS: Final = ".answers.jsonl"  # for the simulator, no jobs
FILES: Final = sorted(path.name for path in FOLDER.glob("*.jsonl") if not path.name.endswith(ANSWERS))
RECIPE: Final = FOLDER / "reviews.toml"
GENEROUS: Final = (
    *("--rpm", "none", "--tpm", "none", "--rps", "none"),
    *("--announce-rpm", "60000", "--announce-tpm", "200000000", "--median-s", "0.2"),
)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def body_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the request body of a job line, in short or batch form."""
    body: dict[str, Any] = job.get("body", job)
    return body


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRunner]:
    """Yield one state folder for all files, with one engine."""
    folder = tmp_path_factory.mktemp("examples")
    with (
        Simulator(folder, *GENEROUS) as simulator,
        LiveRunner(folder, simulator) as home,
        engine_kept(home.path),
    ):
        yield home


@pytest.mark.parametrize("name", FILES)
def test_an_example_file_runs_to_its_end(home: LiveRunner, tmp_path: Path, name: str) -> None:
    """Exit 0; one result for each line, in order and of the requested kind; the summary's counts add up."""
    jobs = lines(FOLDER / name)

    run_command(["run", str(FOLDER / name), "-o", "out.jsonl", "-q"], tmp_path, home.env)

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
        check_answer(body_of(job), answer["response"])


@pytest.mark.parametrize("name", FILES)
def test_an_example_file_is_checked_without_a_warning(tmp_path: Path, name: str) -> None:
    """No retired or unknown model, no ignored field: nothing on stderr, and `--strict` accepts it."""
    env = {"HOME": str(tmp_path), "RUNNER_HOME": str(tmp_path / "state")}
    done = run_command(["check", str(FOLDER / name), "--strict"], tmp_path, env)

    assert done.stderr == ""
    assert "no bad lines" in done.stdout
    assert "warning" not in done.stdout


def rows(path: Path) -> list[list[str]]:
    """Return the records of a CSV, its header first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_example_table_is_labeled(home: LiveRunner, tmp_path: Path) -> None:
    """Exit 0; each row comes out in its place with its cells, the labels that its recipe names, and `ok`."""
    run_command(["label", str(RECIPE), "-o", "labeled.csv", "-q"], tmp_path, home.env)

    header, *labeled = rows(tmp_path / "labeled.csv")
    summary = json.loads((tmp_path / "labeled.summary.json").read_text())
    table = rows(FOLDER / "reviews.csv")
    assert [header[: len(table[0])], *(row[: len(table[0])] for row in labeled)] == table
    assert header[len(table[0]) :] == [
        "sentiment", "topics", "rating", "urgent", "_status", "_error", "_cost_usd",
    ]  # fmt: skip
    added = [row[len(table[0]) :] for row in labeled]
    assert len(added) == summary["rows"]["total"] == summary["rows"]["ok"] == 60
    for sentiment, topics, rating, urgent, status, error, cost in added:
        assert sentiment in ("positive", "neutral", "negative")
        assert set(json.loads(topics)) <= {"price", "quality", "delivery", "service"}
        assert rating in {*"12345"}
        assert urgent in ("true", "false")
        assert (status, error) == ("ok", "")
        assert float(cost) > 0
    assert (tmp_path / "labeled.errors.jsonl").read_bytes() == b""


def test_the_example_table_has_what_tables_have() -> None:
    """Commas, quotes and line breaks in cells, and other scripts: else the test above would show less."""
    reviews = "".join(row[2] for row in rows(FOLDER / "reviews.csv"))

    assert all(mark in reviews for mark in (",", '"', "\n", "é", "音"))


def test_the_example_recipe_is_checked_without_a_warning(tmp_path: Path) -> None:
    """As `check` is called on job files."""
    env = {"HOME": str(tmp_path), "RUNNER_HOME": str(tmp_path / "state")}
    done = run_command(["check", str(RECIPE), "--strict"], tmp_path, env)

    assert done.stderr == ""
    assert "no bad rows" in done.stdout
    assert "warning" not in done.stdout


def test_the_demo_greets_without_a_warning(tmp_path: Path) -> None:
    """`make demo` as a newcomer calls it, without a key: nothing but progress and the results."""
    done = call(tmp_path, sys.executable, str(FOLDER / "demo.py"))

    assert done.returncode == 0, done.stderr
    assert "succeeded  520  demo/labels.results.jsonl" in done.stdout
    expected = ("labels: ", "reviews: ", "loaded 520 jobs", "loaded 60 rows")
    assert [line for line in done.stderr.splitlines() if not line.startswith(expected)] == []
    assert (
        "id,product,review,stars,sentiment,topics,rating,urgent,_status,_error,_cost_usd\nr-001,"
        in done.stdout
    )
    assert len(rows(tmp_path / "demo" / "reviews.labeled.csv")) == 61
    assert "retired" not in done.stdout + done.stderr
    assert len(lines(tmp_path / "demo" / "labels.results.jsonl")) == 520


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call a command in an empty home of its own."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
    env = outer | {"HOME": str(folder), "RUNNER_HOME": str(folder / "state")}
    return subprocess.run(
        words,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def check_answer(request: dict[str, Any], response: dict[str, Any]) -> None:
    """Check a response against the request's schema, tools and tool choice."""
    assert response["status_code"] == 200
    choice = response["body"]["choices"][0]
    message, form = choice["message"], request.get("response_format")
    if form is not None and form["type"] == "json_schema":
        Draft202012Validator(form["json_schema"]["schema"]).validate(json.loads(message["content"]))
    calls = message.get("tool_calls") or []
    assert {call["function"]["name"] for call in calls} <= {
        tool["function"]["name"] for tool in request.get("tools", [])
    }
    for call in calls:
        (schema,) = [
            t["function"] for t in request["tools"] if t["function"]["name"] == call["function"]["name"]
        ]
        Draft202012Validator(schema["parameters"]).validate(json.loads(call["function"]["arguments"]))
    match request.get("tool_choice"):
        case "required":
            assert calls
        case {"function": {"name": wanted}}:
            assert [call["function"]["name"] for call in calls] == [wanted]
    assert calls or message["content"]


def test_the_example_of_tools_brings_tool_calls() -> None:
    """Otherwise the checks above would pass without any tool call."""
    wanted = [body_of(job).get("tool_choice") for job in lines(FOLDER / "tools.jsonl")]

    assert any(choice not in (None, "auto", "none") for choice in wanted)
