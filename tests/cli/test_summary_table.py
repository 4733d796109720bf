"""The table of a summary says where a file on disk is older than the run."""

from __future__ import annotations

import pytest

from runner.cli.render.runs.summary_table import summary_lines
from runner.rules.states import RunState
from runner.rules.summary import RunFacts, summarize
from runner.rules.summary_object import SummaryFiles, WrittenFile


def shown(*, results: int, errors: int, folder: str = "") -> list[str]:
    """Return the table of a run with 12 succeeded, 2 failed and 3 held; its files have so many lines."""
    run = RunFacts(
        id=3,
        name="s30",
        state=RunState.FINISHED,
        paused_by=None,
        started_at_s=0.0,
        finished_at_s=None,
        prices_as_of="2026-09-29",
        files=SummaryFiles(
            results=WrittenFile(name="s30.results.jsonl", sha256="", lines=results, bytes=7),
            errors=WrittenFile(name="s30.results.errors.jsonl", sha256="", lines=errors, bytes=2),
        ),
        examples={},
    )
    counters = {("state", "succeeded"): 12, ("state", "failed"): 2, ("state", "held"): 3}
    lines = summary_lines(summarize(run, counters), folder)
    return lines[2 : lines.index("", 2)]


def test_files_of_the_present_counts_have_only_their_names() -> None:
    """Errors are the failed and the held jobs."""
    assert shown(results=12, errors=5) == [
        "  succeeded  12  s30.results.jsonl",
        "  failed      2  s30.results.errors.jsonl",
        "  held        3  s30.results.errors.jsonl",
        "  total      17",
    ]


def test_an_older_file_is_named_with_its_lines_and_the_command() -> None:
    """More lines are older too: of jobs that were sent again."""
    assert (
        shown(results=10, errors=5)[0]
        == "  succeeded  12  s30.results.jsonl (10 lines, older: runner write 3)"
    )
    older = "s30.results.errors.jsonl (1 line, older: runner write 3)"
    assert shown(results=12, errors=1)[1:3] == [f"  failed      2  {older}", f"  held        3  {older}"]
    assert "(6 lines, older: " in shown(results=12, errors=6)[1]


@pytest.mark.parametrize("length", range(1, 70))
def test_the_note_is_below_a_path_that_leaves_no_room_for_it(length: int) -> None:
    """No line that can end within 80 columns is longer, and a path is never broken."""
    folder = "x" * length + "/"
    lines = shown(results=10, errors=5, folder=folder)
    path = f"{folder}s30.results.jsonl"
    together = f"  succeeded  12  {path} (10 lines, older: runner write 3)"
    below = [f"  succeeded  12  {path}", " " * 17 + "(10 lines, older: runner write 3)"]
    assert lines[:2] == below if len(together) > 80 else lines[0] == together
