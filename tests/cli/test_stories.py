"""What `show`, `summary` and `retry` print for a run with every kind of answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROMPTS: dict[str, dict[str, Any]] = {
    "good-1": {"prompt": "Tell of one."},
    "good-2": {"prompt": "Tell of two.", "model": "grok-4.6"},
    "cut-1": {"prompt": "Tell of three.", "max_completion_tokens": 3},
    "cut-2": {"prompt": "Tell of four.", "max_completion_tokens": 3},
    "declined": {"prompt": "Tell of five. [simulate:refusal]"},
    "=cmd|'/c calc'!A1": {"prompt": "Tell of \x1b[31mred\x1b[0m \u202e and of\nlines. [simulate:empty]"},
    "unsafe": {"prompt": "Tell of seven. [simulate:safety]"},
    "tool": {
        "prompt": "Which weather?",
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
    },
}
FILE = ("run", "jobs.jsonl", "-o", "out.jsonl")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRunner]:
    """Return a state folder with that run, in which declined answers fail."""
    folder = tmp_path_factory.mktemp("stories")
    with (folder / "jobs.jsonl").open("w", encoding="utf-8") as file:
        for custom_id, fields in PROMPTS.items():
            file.write(json.dumps({"id": custom_id, "model": "grok-4.3", **fields}) + "\n")
    with Simulator(folder, *NO_LIMITS, "--instant") as simulator, LiveRunner(folder, simulator) as made:
        assert made.start(*FILE, "--fail-on", "refusal").wait() == 1
        yield made


def output_of(home: LiveRunner, *words: str, code: int = 0) -> str:
    return run_command(words, home.folder, home.env, code).output


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_summary_groups_what_is_worth_a_look_and_names_the_commands(home: LiveRunner) -> None:
    """Flawed answers count as succeeded; failures have an example and the command for only these."""
    shown = output_of(home, "summary", "jobs")
    found = json.loads(output_of(home, "summary", "jobs", "--json"))

    assert found["answers"] == {"length": 2, "refusal": 0, "empty": 1}
    assert found["errors"]["by_code"] == {"refusal": 1, "safety": 1}
    assert found["examples"] == {
        "refusal": "declined",
        "safety": "unsafe",
        "length": "cut-1",
        "empty": "=cmd|'/c calc'!A1",
    }
    assert found == json.loads((home.folder / "out.summary.json").read_bytes())
    for line in (
        "2  length  such as cut-1",
        "to list them: runner summary 1 --ids length",
        "runner retry 1 --failed --code refusal",
        "runner show 1 declined",
        "grok-4.6, 1 answer",
    ):
        assert line in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if str(home.folder) not in line)


def test_ids_are_listed_for_the_next_command(home: LiveRunner) -> None:
    """For an error code, and for a flaw of answers."""
    assert output_of(home, "summary", "jobs", "--ids", "length").split() == ["cut-1", "cut-2"]
    assert output_of(home, "summary", "jobs", "--ids", "safety").split() == ["unsafe"]
    assert json.loads(output_of(home, "summary", "jobs", "--ids", "empty", "--json"))["ids"] == [
        "=cmd|'/c calc'!A1"
    ]
    assert output_of(home, "summary", "jobs", "--ids", "nothing-like-it") == ""


def test_an_answer_that_fails_its_job_is_in_the_errors_file_with_its_bytes(home: LiveRunner) -> None:
    """It was paid for and may still be useful."""
    (row,) = [line for line in lines(home.folder / "out.errors.jsonl") if line["custom_id"] == "declined"]

    assert row["error"]["code"] == "refusal"
    assert row["error"]["message"]
    assert "can't help" in row["response"]["body"]["choices"][0]["message"]["refusal"]


def test_show_shows_prompt_answer_and_attempts(home: LiveRunner) -> None:
    """And the command that sends only this job again, if it failed."""
    declined, cut, tool = (output_of(home, "show", "jobs", name) for name in ("declined", "cut-1", "tool"))

    for words in ("failed (refusal)", "Tell of five.", "can't help with that", "retry 1 --id declined"):
        assert words in declined
    assert "ended by  length" in cut
    assert "retry" not in cut
    assert "weather({" in tool
    for words in ("line 1 of ", "jobs.jsonl", "attempt 1", "accepted +", "collected +", "reported"):
        assert words in output_of(home, "show", "jobs", "good-1")
    assert "did you mean good-1 or good-2?" in output_of(home, "show", "jobs", "good-7", code=2)


def test_show_prints_the_bodies_as_they_are_with_json(home: LiveRunner) -> None:
    """The request as written in the file, the answer as received."""
    shown = json.loads(output_of(home, "show", "jobs", "cut-1", "--json"))

    assert shown["request"]["max_completion_tokens"] == 3
    assert shown["answer"]["choices"][0]["finish_reason"] == "length"
    assert shown["attempts"][0]["flaw"] == "length"


def test_hostile_words_are_shown_harmlessly_and_kept_as_they_are(home: LiveRunner) -> None:
    """No escape reaches the terminal; the file and --json have every byte."""
    hostile = "=cmd|'/c calc'!A1"
    shown = output_of(home, "show", "jobs", hostile, "--full")

    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "\\x1b[31mred" in shown
    kept = json.loads(output_of(home, "show", "jobs", hostile, "--json"))
    assert kept["request"]["messages"][-1]["content"] == PROMPTS[hostile]["prompt"]


def test_one_job_is_sent_again_by_its_id(home: LiveRunner) -> None:
    """Nothing else moves; a job that succeeded is not among them."""
    assert "would send 1 job" in output_of(home, "retry", "jobs", "--id", "unsafe", "--dry-run")
    assert "has no such jobs" in output_of(home, "retry", "jobs", "--id", "good-1", "--yes", code=2)
    assert json.loads(output_of(home, "retry", "jobs", "--id", "unsafe", "--dry-run", "--json"))["would"]


def test_a_word_that_is_no_flaw_is_refused(home: LiveRunner) -> None:
    """Before anything is loaded."""
    assert "is none of length, refusal, empty" in output_of(home, *FILE, "--fail-on", "length,long", code=2)
