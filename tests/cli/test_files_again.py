"""`start` and `resume` write the files that `run` wrote again, so what the screen names is what is there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_calls import Called, engine_kept, run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Call = Callable[..., Called]


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    """Return a function that runs a command in a folder with three jobs and a simulator."""
    lines = [{"id": f"r-{n}", "model": "grok-4.3", "prompt": f"Say {n}"} for n in range(3)]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with (
        Simulator(tmp_path, "--instant", *NO_LIMITS) as simulator,
        LiveRunner(tmp_path, simulator) as home,
        engine_kept(home.path),
    ):
        yield lambda words, *codes: run_command(words.split(), tmp_path, home.env, *codes)


def ids(file: Path) -> list[str]:
    """Return the custom_ids of an output file."""
    return [json.loads(line)["custom_id"] for line in file.read_text().splitlines()]


def test_the_files_of_run_are_written_again(call: Call, tmp_path: Path) -> None:
    """At the same place, by the command that `run` printed; the table names their folder, as `run` does."""
    (tmp_path / "out").mkdir()
    results = tmp_path / "out" / "s.jsonl"
    call("run jobs.jsonl -o out/s.jsonl --limit 2", 8)
    assert ids(results) == ["r-0", "r-1"]
    results.write_text("")
    assert f"  2  {results}\n" in call("start 1", 8).stdout  # nothing is left to do
    assert ids(results) == ["r-0", "r-1"]

    ended = call("resume 1 --limit none")
    shown = ended.stdout
    assert "to write the files" not in ended.stderr
    assert ids(results) == ["r-0", "r-1", "r-2"]
    assert json.loads((tmp_path / "out" / "s.summary.json").read_text())["counts"]["succeeded"] == 3
    assert f"  3  {results}\n" in shown


def test_files_in_the_current_folder_are_named_without_it(call: Call) -> None:
    """As by `run`."""
    named = "succeeded   2  s.jsonl\n"
    assert named in call("run jobs.jsonl -o s.jsonl --limit 2", 8).stdout
    assert named in call("start 1", 8).stdout


def test_a_run_that_was_only_loaded_has_no_files(call: Call, tmp_path: Path) -> None:
    """Until `runner write`."""
    call("load jobs.jsonl")
    assert call("start 1").stderr.endswith("\nto write the files: runner write 1\n")
    assert list(tmp_path.glob("jobs.*")) == [tmp_path / "jobs.jsonl"]
    assert not call("start 1 -q").stderr


def test_a_table_that_has_changed_is_named_with_its_cure(call: Call, tmp_path: Path) -> None:
    """`runner write RUN` alone would be refused as well; the files and the exit code are those of the run."""
    table = tmp_path / "reviews.csv"
    table.write_text("review\nbad\ngood\n")
    call("label reviews.csv --text review --labels mood:good|bad -o out.csv --limit 1", 8)
    written = (tmp_path / "out.csv").read_text()
    table.write_text("review\nbad\ngood\nfair\n")

    ended = call("resume 1 --limit none")

    assert (
        "its content has changed since; the files were not written again\nfix: name the table" in ended.stderr
    )
    assert "runner write 1 --input PATH\n" in ended.stderr
    assert (tmp_path / "out.csv").read_text() == written


def test_files_that_cannot_be_written_are_a_warning(call: Call, tmp_path: Path) -> None:
    """The file of somebody else stays, and the exit code is that of the run."""
    call("run jobs.jsonl -o s.jsonl --limit 2", 8)
    (tmp_path / "s.jsonl").write_text("mine\n")
    ended = call("resume 1 --limit none")
    assert "warning: s.jsonl would replace a file that this run did not write; " in ended.stderr
    assert "; runner write 1 writes them\n" in ended.stderr
    assert "run 1, jobs: finished" in ended.stdout
    assert (tmp_path / "s.jsonl").read_text() == "mine\n"


def test_a_run_in_the_background_leaves_older_files_and_the_summary_says_so(
    call: Call, tmp_path: Path
) -> None:
    """Until `runner write`, which is named."""
    call("run jobs.jsonl -o s.jsonl --limit 2", 8)
    call("resume 1 --limit none --detach")
    named = "s.jsonl (2 lines, older: runner write 1)\n"
    assert named in call("watch 1").stdout
    assert "(2 lines, older: runner write 1)\n" in call("summary 1").stdout
    call("write 1")
    assert ids(tmp_path / "s.jsonl") == ["r-0", "r-1", "r-2"]
    assert "older" not in call("summary 1").stdout


def test_nothing_is_left_in_the_background_where_nothing_is_left_to_do(call: Call) -> None:
    """`--detach` on a run that is over, or whose limit is reached, is like the command without it."""
    call("run jobs.jsonl -o s.jsonl --limit 2", 8)
    assert_alike(call, "start 1", 8)
    call("resume 1 --limit none")
    assert_alike(call, "resume 1", 0)


def assert_alike(call: Call, words: str, code: int) -> None:
    """Call a command with and without --detach; compare what both print."""
    ended = call(f"{words} --detach", code)
    assert "is at work" not in ended.stderr
    assert ended.stdout == call(words, code).stdout
    assert ended.stdout.startswith("run 1, jobs: ")
