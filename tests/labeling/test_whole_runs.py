"""`runner label` from the table to the labeled table, with real processes and the simulator."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MOODS: Final = ("positive", "neutral", "negative")
LABELS: Final = ("--labels", "sentiment: positive|neutral|negative", "--text", "review")
LABEL: Final = ("label", "reviews.csv", *LABELS, "-o", "labeled.csv", *NO_LIMITS)


def mood(number: int) -> str:
    """Return the right label of a row."""
    return MOODS[number % 3]


def write_table(path: Path, rows: int) -> Path:
    """Write a table whose reviews say which label the simulator is to answer."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("code", "review"))
        for number in range(rows):
            writer.writerow((f"{number:05}", f'Row {number}, "so"\nit is. [label:sentiment={mood(number)}]'))
    return path


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_labeled(folder: Path, rows: int) -> None:
    """Every row is there once, in order, unchanged, with its own label."""
    before, after = read_table(folder / "reviews.csv"), read_table(folder / "labeled.csv")
    assert len(after) == rows
    assert [{name: row[name] for name in ("code", "review")} for row in after] == before
    assert [row["sentiment"] for row in after] == [mood(number) for number in range(rows)]
    assert {row["_status"] for row in after} == {"ok"}


def run(home: LiveRunner, words: Sequence[str] = LABEL, code: int = 0) -> str:
    """Run a command to its end; return what it printed."""
    command = home.start(*words)
    assert command.wait() == code, command.output
    return command.output


@pytest.fixture
def home(tmp_path: Path) -> Iterator[LiveRunner]:
    """Return a state folder with a simulator that answers at once."""
    with (
        Simulator(tmp_path, "--instant", "--rpm", "none", "--tpm", "none") as simulator,
        LiveRunner(tmp_path, simulator) as runner,
    ):
        yield runner


def test_a_table_is_labeled_and_labeled_again_for_nothing(home: LiveRunner, tmp_path: Path) -> None:
    """The same command writes the same bytes and sends nothing; a changed table is refused."""
    write_table(tmp_path / "reviews.csv", 10)

    run(home)
    assert_labeled(tmp_path, 10)
    first, accepted = (tmp_path / "labeled.csv").read_bytes(), home.accepted()
    again = run(home)

    assert "already loaded as run 1" in again
    assert (tmp_path / "labeled.csv").read_bytes() == first
    assert home.accepted() == accepted == 10

    assert '"row-7"' in run(home, ("show", "1", "7", "--json"))
    write_table(tmp_path / "reviews.csv", 11)
    assert "was loaded with other content" in run(home, code=2)


def test_a_killed_command_carries_on(tmp_path: Path) -> None:
    """kill -9 of everything in between: each row is labeled once, with its own label."""
    hidden = "fetch:503=1"  # no answer comes before the kill, so that there is something left to do
    with (
        Simulator(tmp_path, "--instant", *NO_LIMITS, "--fault", hidden) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        write_table(tmp_path / "reviews.csv", 60)
        command = home.start(*LABEL)
        home.wait_for_accepted(20, command)
        home.kill()
        simulator.switch(faults={})

        run(home)

        assert_labeled(tmp_path, 60)
        assert home.count("SELECT COUNT(*) FROM runs") == 1


def test_invalid_answers_are_asked_for_again(tmp_path: Path) -> None:
    """Each row ends ok or invalid, after at most 1 + 2 asks, and its label is never that of another row."""
    flags = ("--instant", "--rpm", "none", "--tpm", "none", "--fault", "invalid=0.6")
    with Simulator(tmp_path, *flags) as simulator, LiveRunner(tmp_path, simulator) as home:
        write_table(tmp_path / "reviews.csv", 40)

        run(home, (*LABEL, "--columns", "asks"), code=1)

        after = read_table(tmp_path / "labeled.csv")
        assert {row["_status"] for row in after} <= {"ok", "invalid"}
        assert any(row["_asks"] == "2" for row in after)
        assert all(row["_asks"] in ("1", "2", "3") for row in after)
        for number, row in enumerate(after):
            assert row["sentiment"] == (mood(number) if row["_status"] == "ok" else "")


def test_what_leaves_no_row_sends_nothing(home: LiveRunner, tmp_path: Path) -> None:
    """The table comes out with its new columns, all rows excluded; no engine is needed for that."""
    write_table(tmp_path / "reviews.csv", 3)

    run(home, (*LABEL, "--where", "code == 'none'"))

    after = read_table(tmp_path / "labeled.csv")
    assert [(row["sentiment"], row["_status"]) for row in after] == [("", "excluded")] * 3
    assert home.accepted() == 0


def test_a_table_with_a_row_left_out_is_no_full_success(home: LiveRunner, tmp_path: Path) -> None:
    """Exit code 1 for a skipped row, here and from those who watch; 0 where a condition excludes it."""
    (tmp_path / "reviews.csv").write_text("code,review\n1,fine\n2,\n")

    run(home, (*LABEL, "--skip-bad"), code=1)
    run(home, ("watch", "1", "--exit-status"), code=1)
    run(home, ("write", "1"))
    run(home, (*LABEL[:6], "-o", "other.csv", *NO_LIMITS, "--where", "code == '1'"))

    statuses = [row["_status"] for row in read_table(tmp_path / "labeled.csv")]
    assert statuses == ["ok", "skipped"]


def test_a_copy_of_the_table_serves_where_the_first_one_changed(home: LiveRunner, tmp_path: Path) -> None:
    """The copy is the same run; its rows are joined, and the old path is not read."""
    write_table(tmp_path / "reviews.csv", 5)
    run(home)
    first = (tmp_path / "labeled.csv").read_bytes()
    (tmp_path / "reviews.csv").rename(tmp_path / "copy.csv")
    write_table(tmp_path / "reviews.csv", 6)

    again = run(home, ("label", "copy.csv", *LABEL[2:]))

    assert "already loaded as run 1, from " in again
    assert (tmp_path / "labeled.csv").read_bytes() == first
    assert home.accepted() == 5
