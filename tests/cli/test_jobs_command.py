"""`runner jobs`: pages by state, code, model, flaw and id; content only where it is asked for."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from test_commands import Place

from runner.db.jobs import listed_jobs
from runner.rules.command_line import command_without

if TYPE_CHECKING:
    from pathlib import Path

PROMPT, ANSWER = "Say 1.", "hi"


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a run of three jobs: answered, failed, waiting. No test changes it."""
    place = Place(tmp_path_factory.mktemp("jobs"))
    place.answered()
    return place


def jobs(place: Place, words: str = "") -> dict[str, Any]:
    done = place.call(f"jobs 1 --json {words}")
    assert done.code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ids(place: Place, words: str = "") -> list[str]:
    return [job["id"] for job in jobs(place, words)["jobs"]]


def test_jobs_are_listed_by_what_the_flags_say(answered: Place) -> None:
    """All of them have to fit; several states and several ids are alternatives."""
    assert ids(answered) == ["r-1", "r-2", "r-3"]
    assert ids(answered, "--state failed") == ["r-2"]
    assert ids(answered, "--state waiting --state succeeded") == ["r-1", "r-3"]
    assert ids(answered, "--code some-cause") == ["r-2"]
    assert ids(answered, "--code some-cause --state held") == []
    assert ids(answered, "--model grok-4.3 --state failed") == ["r-2"]
    assert ids(answered, "--model other") == []
    assert ids(answered, "--flaw length") == []
    assert ids(answered, "--id r-3 --id r-1") == ["r-1", "r-3"]


def test_a_table_has_a_line_for_each_job_and_no_content(answered: Place) -> None:
    """Within 80 columns; the prompt and the answer are nowhere, with or without --json."""
    done = answered.call("jobs 1")
    heading, *lines = done.stdout.splitlines()

    assert heading.split() == ["id", "line", "state", "code", "model", "attempts", "cost", "time"]
    assert [line.split()[:4] for line in lines] == [
        ["r-1", "1", "succeeded", "-"],
        ["r-2", "2", "failed", "some-cause"],
        ["r-3", "3", "waiting", "-"],
    ]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stderr == ""
    for words in ("", "--json"):
        shown = answered.call(f"jobs 1 {words}").output
        assert PROMPT not in shown
        assert f'"{ANSWER}"' not in shown
    assert "request" not in jobs(answered)["jobs"][0]


def test_content_is_shown_where_it_is_asked_for(answered: Place) -> None:
    """As text on one line each; with --json as it was written and as it came."""
    shown = answered.call("jobs 1 --content --state succeeded").stdout
    (job,) = jobs(answered, "--content --state succeeded")["jobs"]

    assert [line.split() for line in shown.splitlines()[2:4]] == [["prompt", "Say", "1."], ["answer", "hi"]]
    assert job["request"]["messages"][-1]["content"] == PROMPT
    assert job["answer"]["choices"][0]["message"]["content"] == ANSWER
    assert jobs(answered, "--content --state waiting")["jobs"][0]["answer"] is None


def test_a_page_names_the_command_for_the_next(answered: Place) -> None:
    """With the same flags; it can be typed, and the last page names none."""
    first = answered.call("jobs 1 --limit 2 --model grok-4.3")
    (line,) = first.stderr.splitlines()
    assert line == "more: runner jobs 1 --limit 2 --model grok-4.3 --after=r-2"

    last = answered.call(line.removeprefix("more: runner "))
    assert [row.split()[0] for row in last.stdout.splitlines()[1:]] == ["r-3"]
    assert last.stderr == ""
    assert jobs(answered, "--limit 2")["next_after"] == "r-2"
    assert jobs(answered, "--limit 2 --after r-2")["next_after"] is None


def test_what_is_not_there_is_said(answered: Place) -> None:
    """An empty page is no error; an unknown id is."""
    none = answered.call("jobs 1 --state held")
    unknown = answered.call("jobs 1 --after r-9")

    assert (none.code, none.stdout, none.stderr) == (0, "", "run 1 has no such jobs\n")
    assert unknown.code == 2
    assert "run 1 has no job r-9 to go on after" in unknown.stderr
    assert answered.call("jobs 1 --id r-9").code == 2
    assert answered.call("jobs 2").code == 2
    assert answered.call("jobs 1 --limit 0").code == 2
    assert "'done' is not one of" in answered.call("jobs 1 --state done").stderr


def test_a_window_says_how_far_it_has_looked(answered: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how to go on, although it has found nothing."""
    monkeypatch.setattr(listed_jobs, "WINDOW", 2)
    done = answered.call("jobs 1 --model other")

    assert done.stdout == ""
    assert done.stderr == "looked at jobs 1 to 2 of 3; go on: runner jobs 1 --model other --after=r-2\n"
    assert jobs(answered, "--model other")["looked_at"] == {"first": 1, "last": 2, "total": 3}
    assert answered.call("jobs 1 --model other --after r-2").stderr == "run 1 has no such jobs\n"


def test_an_id_that_is_no_plain_word_can_be_typed(tmp_path: Path) -> None:
    """It is printed so that a shell and `--after` take it."""
    place = Place(tmp_path)
    lines = [{"id": name, "model": "grok-4.3", "prompt": "p"} for name in ("-a b\x1b[2J'c", "z")]
    place.write("jobs.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    place.call("load jobs.jsonl")
    more = place.call("jobs 1 --limit 1").stderr
    last = place.call(more.strip().removeprefix("more: runner "))

    assert "\x1b" not in more
    assert [row.split()[0] for row in last.stdout.splitlines()[1:]] == ["z"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("jobs 1", "runner jobs 1"),
        ("jobs 1 --after x --json", "runner jobs 1 --json"),
        ("jobs 1 --after=x --limit 3", "runner jobs 1 --limit 3"),
        ("jobs --after --after 1", "runner jobs 1"),
        ("jobs 'a b'", "runner jobs 'a b'"),
    ],
)
def test_a_command_is_repeated_without_a_flag(typed: str, expected: str) -> None:
    """And without its value."""
    assert command_without(shlex.split(typed), "--after") == expected
