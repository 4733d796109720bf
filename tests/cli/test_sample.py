"""`runner sample`: rows of a labeled table beside their labels."""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
from cli_calls import run_command
from labeled_run import FAULT, answer, labeled_run, labels_of, recipe_of, table_bytes
from run_driver import new_run

from runner.db.jobs import labeled_rows
from runner.db.session import Database
from runner.rules.labels.row_status import RowStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from labeled_run import LabeledRun

S = RowStatus
STATUSES: Final = (S.EXCLUDED, S.OK, S.SKIPPED, S.OK, S.INVALID, S.FAILED, S.HELD, S.UNFINISHED, S.OK)
WIDTH: Final = 80


class Home:
    """A state folder with a database; its commands run in this process."""

    def __init__(self, folder: Path, migrated: Path) -> None:
        self.folder = folder
        self.env = {"RUNNER_HOME": str(folder), "XAI_API_KEY": "xai-unused", "PATH": "/usr/bin:/bin"}
        shutil.copy(migrated, folder / "runner.db")
        self.database = Database(f"sqlite:///{folder / 'runner.db'}")

    def output(self, *words: str, code: int = 0) -> str:
        return run_command(words, self.folder, self.env, code).output

    def stdout(self, *words: str) -> str:
        return run_command(words, self.folder, self.env).stdout

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """Return the rows of `sample --json`."""
        rows: list[dict[str, Any]] = json.loads(self.stdout("sample", *words, "--json"))["rows"]
        return rows

    def numbers(self, *words: str) -> list[int]:
        return [row["row"] for row in self.rows(*words)]


@pytest.fixture
def home(tmp_path: Path, migrated_file: Path) -> Iterator[Home]:
    made = Home(tmp_path, migrated_file)
    yield made
    made.database.close()


def prompt(home: Home, run: LabeledRun, number: int, content: str) -> None:
    """Give a row's job a prompt."""
    body = json.dumps(
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": content}]}
    )
    with home.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE payloads SET body = ? WHERE job_id = ?", (body.encode(), run.jobs[number])
        )


def loaded(home: Home, statuses: tuple[RowStatus, ...] = STATUSES, ending: str = ".csv") -> LabeledRun:
    """Load a run whose prompts are the cells of the column `text`."""
    run = labeled_run(
        home.database,
        home.folder / f"reviews{ending}",
        statuses,
        recipe=recipe_of(prompt={"columns": ["text"]}),
    )
    for number in run.jobs:
        prompt(home, run, number, f"text {number}")
    return run


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_rows_are_shown_beside_their_labels(home: Home, ending: str) -> None:
    """With the column that the prompts have, the status, and why there are no labels."""
    loaded(home, ending=ending)

    rows = home.rows("1")

    assert [(row["row"], row["status"]) for row in rows] == [
        (number, status.value) for number, status in enumerate(STATUSES, 1) if status is not S.EXCLUDED
    ]
    for row in rows:
        assert row["cells"] == {"text": f"text {row['row']}"}
        assert row["prompt"] is None
        is_ok = row["status"] == "ok"
        assert row["labels"] == (labels_of(row["row"]) if is_ok else None)
        assert (row["error"] is None) == is_ok
        assert row["custom_id"] == (None if row["status"] == "skipped" else f"row-{row['row']}")
    assert rows[1]["error"] == f"skipped: {FAULT}"


def test_what_people_see(home: Home) -> None:
    """The text on the left, the labels on the right, at most 80 columns without a terminal."""
    loaded(home)

    lines = home.stdout("sample", "1").splitlines()

    assert lines[0] == "run 1, reviews: 8 rows"
    assert lines[2].split() == ["row", "status", "text", "labels"]
    assert lines[3].split() == ["2", "ok", "text", "2", "mood", "bad"]
    assert lines[4].split() == ["mark", "mark-2"]
    assert any(line.split()[:2] == ["5", "invalid"] for line in lines if line.split())
    assert lines[-1] == "in full: runner show 1 row-5"
    assert max(map(len, lines)) <= WIDTH


def test_the_same_seed_is_the_same_choice(home: Home) -> None:
    """Also of a table of which only the database is left; another seed is another choice."""
    run = loaded(home, (S.OK,) * 60)

    first = home.numbers("1")

    assert len(first) == 10
    assert first == sorted(first) == home.numbers("1", "--seed", "0")
    assert first != home.numbers("1", "--seed", "1")
    run.table.unlink()
    assert home.numbers("1") == first


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["--status", "invalid"], [5]),
        (["--status", "excluded"], [1]),
        (["--status", "ok", "--label", "mood=bad"], [2, 4]),
        (["--label", "mood=good"], [9]),
        (["--label", "mood=good", "--label", "mark=mark-9"], [9]),
        (["--label", "mood=good", "--label", "mark=mark-8"], []),
    ],
)
def test_rows_are_chosen_by_label_and_status(home: Home, words: list[str], numbers: list[int]) -> None:
    """All that is given must fit."""
    loaded(home)

    assert home.numbers("1", *words) == numbers


def test_that_no_row_is_like_that_is_a_sentence(home: Home) -> None:
    """And no error."""
    loaded(home)

    shown = home.stdout("sample", "1", "--status", "cancelled")

    assert shown == "run 1, reviews: no rows that are cancelled; runner summary 1 counts them\n"


def test_without_the_table_the_prompts_are_shown(home: Home) -> None:
    """They are in the database; why, and how to see the table, is a note."""
    run = loaded(home)
    run.table.rename(home.folder / "moved.csv")

    shown = home.output("sample", "1", "--status", "ok")
    rows = home.rows("1", "--status", "ok")

    assert "cannot be read: no such file or directory; shown are the prompts of its rows" in shown
    assert shown.splitlines()[2].split() == ["row", "status", "prompt", "labels"]
    assert [row["prompt"] for row in rows] == ["text 2", "text 4", "text 9"]
    assert rows[0]["cells"] is None
    moved = home.rows("1", "--status", "ok", "--input", "moved.csv")
    assert [row["cells"] for row in moved] == [{"text": f"text {number}"} for number in (2, 4, 9)]


def test_a_table_that_has_changed_is_not_shown_as_the_one_that_was_labeled(home: Home) -> None:
    """Its rows would stand beside labels of others; where it was named it is refused."""
    run = loaded(home)
    run.table.write_bytes(run.table.read_bytes().replace(b"text 2", b"text x"))

    assert "its content has changed since" in home.output("sample", "1")
    assert home.rows("1", "--status", "ok")[0]["prompt"] == "text 2"
    refused = home.output("sample", "1", "--input", "reviews.csv", code=2)
    assert "is not the table that run 1 labeled" in refused
    assert "leave out --input" in refused


def test_a_run_without_labels_is_refused_in_a_sentence(home: Home) -> None:
    """With what shows it instead."""
    new_run(home.database, 1)

    shown = home.output("sample", "1", code=2)

    assert "run 1 has no labels: it is no run of runner label" in shown
    assert "runner show 1 ID" in shown


def test_a_hostile_cell_stays_text(home: Home) -> None:
    """Escaped, folded, and cut with an ellipsis, however long it is."""
    text = "\x1b[31mred \u202e 漢字" + "字" * 5_000 + "end"
    content = io.StringIO()
    csv.writer(content).writerows([("id", "text"), ("no", text)])
    run = labeled_run(
        home.database,
        home.folder / "reviews.csv",
        (S.OK,),
        content=content.getvalue().encode(),
        recipe=recipe_of(prompt={"columns": ["text"]}),
        bodies={1: answer(json.dumps({"mood": "good", "mark": "\x1b]0;x\x07" + "y" * 500}))},
    )
    prompt(home, run, 1, text)

    lines = home.stdout("sample", "1").splitlines()

    assert "\x1b" not in "".join(lines)
    assert "\u202e" not in "".join(lines)
    assert "…" in lines[6]
    assert max(len(line) + sum("\u4e00" <= char <= "\u9fff" for char in line) for line in lines) <= WIDTH
    assert home.rows("1")[0]["cells"] == {"text": text}


def test_the_extra_columns_of_a_recipe_are_no_labels(home: Home) -> None:
    """Nor does a prefix change the names of fields; both names choose."""
    recipe = recipe_of(out={"columns": ["cost", "model", "answer"], "prefix": "llm_"})
    labeled_run(home.database, home.folder / "reviews.csv", (S.OK, S.OK), recipe=recipe)

    (row,) = home.rows("1", "--label", "llm_mood=good")

    assert row["labels"] == labels_of(1)


@pytest.mark.parametrize("first", [S.OK, S.EXCLUDED])
def test_a_large_table_is_sampled_page_by_page(
    home: Home, first: RowStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across the batches of the table and the pages of the database, also where row n is not job n."""
    monkeypatch.setattr(labeled_rows, "_PAGE_FIRST", 3)
    loaded(home, (first, *(S.OK,) * 40))

    rows = home.rows("1", "-n", "7")

    assert len(rows) == 7
    assert all(row["labels"] == labels_of(row["row"]) for row in rows)
    assert all(row["cells"] == {"text": f"text {row['row']}"} for row in rows)
    assert all(row["custom_id"] == f"row-{row['row']}" for row in rows)


def test_a_table_in_which_a_row_cannot_be_read(home: Home) -> None:
    """That row is not shown, and the others keep their labels."""
    content = table_bytes(".csv", [("1", "text 1"), ("2", "text 2"), ("3", "text 3")])
    content = content.replace(b"2,text 2", b"2,text 2,too many")
    run = labeled_run(home.database, home.folder / "reviews.csv", (S.OK, S.SKIPPED, S.OK), content=content)
    prompt(home, run, 1, "text 1")

    assert [row["labels"] for row in home.rows("1")] == [labels_of(1), labels_of(3)]
