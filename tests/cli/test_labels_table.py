"""The summary of a run with labels for people: rows by status, labels by value, asks, causes."""

from __future__ import annotations

from msgspec.structs import replace

from runner.cli.render.runs.summary_table import summary_lines
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.row_status import RowStatus
from runner.rules.states import RunState
from runner.rules.summary import RunFacts, summarize
from runner.rules.summary_object import SummaryFiles, WrittenFile

COUNTERS = {
    ("state", "succeeded"): 5,
    ("state", "failed"): 3,
    ("code", "invalid"): 2,
    ("code", "safety"): 1,
    ("extra", "reask"): 6,
    ("label", "mood=bad"): 3,
    ("label", "mood=good"): 1,
    ("label", "mood=null"): 1,
    **{("label", f"topic=t{number:02}"): 1 + (number > 3) for number in range(14)},
}
MOOD = LabelField(name="mood", kind=LabelKind.TEXT, path=("mood",), values=("good", "mixed", "bad"))
TOPIC = LabelField(
    name="topic", kind=LabelKind.LIST, path=("topic",), values=tuple(f"t{number:02}" for number in range(14))
)


def shown(*, errors: int = 3) -> list[str]:
    """Return the lines of a run with 5 rows that are ok, 3 that are not and 2 excluded ones."""
    run = RunFacts(
        id=3,
        name="reviews",
        state=RunState.FINISHED,
        paused_by=None,
        started_at_s=None,
        finished_at_s=None,
        prices_as_of="2026-09-29",
        has_labels=True,
        fields=(TOPIC, MOOD),
        rows={RowStatus.OK: 5, RowStatus.INVALID: 2, RowStatus.FAILED: 1, RowStatus.EXCLUDED: 2},
        examples={"invalid": "row-17", "safety": "row-4"},
        files=SummaryFiles(
            results=WrittenFile(name="labeled.csv", sha256="", lines=10, bytes=7),
            errors=WrittenFile(name="labeled.errors.jsonl", sha256="", lines=errors, bytes=2),
        ),
    )
    return summary_lines(summarize(run, COUNTERS))


def block(lines: list[str], heading: str) -> list[str]:
    """Return the lines below a heading, up to the next empty one."""
    rest = lines[lines.index(heading) + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_rows_are_shown_by_status_with_the_file_that_has_them() -> None:
    """All rows are in the table; those without labels are in the errors file, too."""
    assert shown()[2:7] == [
        "  ok         5  labeled.csv",
        "  invalid    2  labeled.errors.jsonl",
        "  failed     1  labeled.errors.jsonl",
        "  excluded   2",
        "  total     10",
    ]


def test_files_that_are_older_than_the_run_are_marked() -> None:
    """The table always has all rows, so the errors file shows its age."""
    assert shown(errors=4)[2:4] == [
        "  ok         5  labeled.csv (10 lines, older: runner write 3)",
        "  invalid    2  labeled.errors.jsonl (4 lines, older: runner write 3)",
    ]


def test_labels_are_shown_in_the_order_of_the_schema() -> None:
    """Fields and values; what the schema does not name comes last. The shares are of the rows with labels."""
    lines = block(shown(), "labels, as shares of 5 ok rows")

    assert lines[-4:] == ["  mood", "    good  1  20.0 %", "    bad   3  60.0 %", "    null  1  20.0 %"]
    assert lines[:2] == ["  topic", "    t04               2  40.0 %"]


def test_of_many_values_the_ten_commonest_are_shown() -> None:
    """The others are counted together, without a share: a row may have several."""
    lines = block(shown(), "labels, as shares of 5 ok rows")

    assert lines[1:11] == [f"    t{number:02}               2  40.0 %" for number in range(4, 14)]
    assert lines[11] == "    … 4 other values  4"


def test_asks_are_shown_where_a_row_was_asked_again() -> None:
    """In one line."""
    assert "asks: 7 rows, 6 again, 2 given up" in shown()


def test_a_cause_of_failure_has_a_row_as_its_example() -> None:
    """The commonest cause first, and the command that shows it."""
    text = "\n".join(block(shown(), "failures"))

    assert "such as row-17" in text
    assert "runner show 3 row-17" in text
    assert text.index("invalid") < text.index("safety")


def test_a_run_without_any_label_yet_has_no_block_of_labels() -> None:
    """Nor a line of asks."""
    run = RunFacts(
        id=3,
        name="reviews",
        state=RunState.RUNNING,
        paused_by=None,
        started_at_s=None,
        finished_at_s=None,
        prices_as_of="2026-09-29",
        has_labels=True,
    )
    summary = summarize(run, {("state", "pending"): 4})

    lines = summary_lines(replace(summary, files=SummaryFiles()))
    assert lines[2:5] == ["  ok          0", "  unfinished  4", "  total       4"]
    assert not any(line.startswith(("labels", "asks")) for line in lines)
