"""`runner label` and recipes on the command line: what is refused before anything is loaded, and how."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from test_commands import Place

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "id,review\na,so good\nb,so bad\n"
MOOD = '--labels "mood: good|bad"'
RECIPE = """recipe = 1
[table]
file = "reviews.csv"
[prompt]
text = "review"
[labels]
mood = "good|bad"
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a folder with a table."""
    found = Place(tmp_path)
    found.write("reviews.csv", TABLE)
    return found


def refused(place: Place, command: str, code: int = 2) -> str:
    """Run a command that is refused; return its words. Nothing was loaded."""
    done = place.call(command)
    assert done.code == code, done.output
    assert not (place.home / "runner.db").exists()
    return done.stderr


def test_all_faults_are_named_at_once_by_their_flags(place: Place) -> None:
    """A template, a label, a column and a word for a column: one call shows them all, with suggestions."""
    words = refused(
        place,
        "label reviews.csv --user '{{ reviewz }}' --labels 'mood: good' --id idd --columns costs",
    )

    assert 'there is no column "reviewz"; did you mean "review"?' in words
    assert "--user" in words
    assert "--labels mood: " in words
    assert '--id: there is no column "idd"; did you mean "id"?' in words
    assert '--columns: "costs" is no column that can be added; did you mean "cost"?' in words


def test_a_wrong_column_is_named_with_the_one_that_was_meant(place: Place) -> None:
    """And nothing else is said."""
    words = refused(place, f"label reviews.csv --text reviews {MOOD}")

    assert '--text: there is no column "reviews"; did you mean "review"?' in words


def test_a_label_that_is_a_column_already_is_refused(place: Place) -> None:
    """A prefix is the cure."""
    words = refused(place, 'label reviews.csv --text review --labels "review: good|bad"')

    assert "the table has a column review already" in words
    assert "--prefix" in words


def test_a_table_that_was_labeled_needs_a_prefix(place: Place) -> None:
    """Else two columns would have one name."""
    place.write("reviews.csv", "review,mood,_status,_error\nso good,good,ok,\n")
    words = refused(place, f"label reviews.csv --text review {MOOD}")

    assert "the table has been labeled before, it has mood, _status, _error" in words
    assert "--prefix second_" in words


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ("--text review", "there are no labels"),
        (MOOD, "there is no prompt"),
        (f"--text review --user x {MOOD}", "exclude each other"),
        (f"--text review {MOOD} --schema s.json", "exclude each other"),
        ("--text review --schema nowhere.json", "nowhere.json cannot be read"),
        (f"--text review {MOOD} --where 'review =='", "--where"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_refused(place: Place, flags: str, word: str) -> None:
    """With the flag to give."""
    assert word in refused(place, f"label reviews.csv {flags}")


def test_the_table_itself_is_no_output(place: Place) -> None:
    """By no name, also with --force."""
    (place.folder / "link.csv").hardlink_to(place.folder / "reviews.csv")
    for output in ("reviews.csv", "./link.csv"):
        done = place.call(f"label reviews.csv --text review {MOOD} -o {output} --force", XAI_API_KEY="xai-x")
        assert (done.code, "is the table itself" in done.stderr) == (2, True), done.output
    assert (place.folder / "reviews.csv").read_text() == TABLE


def test_what_is_no_table_is_refused(place: Place) -> None:
    """A folder, a missing file, an empty one, a workbook."""
    place.write("empty.csv", "")
    (place.folder / "book.csv").write_bytes(b"PK\x03\x04" + b"xl/workbook.xml" * 9)
    for name, word in (
        (".", "is not a table"),
        ("nowhere.csv", "nowhere.csv cannot be read"),
        ("empty.csv", "empty"),
        ("book.csv", "Excel"),
    ):
        done = place.call(f"label {name} --text review {MOOD}")
        assert done.code in (2, 3)
        assert word in done.stderr


def test_flags_are_saved_as_a_recipe_that_means_the_same(place: Place) -> None:
    """The run of the recipe is that of the flags."""
    flags = f"--text review {MOOD} --id id --where 'review|length > 3'"
    saved = place.call(f"label reviews.csv {flags} --save reviews.toml")
    assert "no API key" in saved.stderr  # the table is loaded, and nothing sent

    loaded = place.call("load reviews.toml --json")
    again = place.call("label reviews.toml")

    assert 'file = "reviews.csv"' in (place.folder / "reviews.toml").read_text()
    assert (json.loads(loaded.stdout)["run"], json.loads(loaded.stdout)["created"]) == (1, False)
    assert "already loaded as run 1" in again.stderr


def test_a_saved_recipe_can_be_used(place: Place) -> None:
    """A recipe names files of its own folder only, so it is saved beside them; nothing is overwritten."""
    (place.folder / "jobs").mkdir()
    words = refused(place, f"label reviews.csv --text review {MOOD} --save jobs/reviews.toml")
    assert "--save reviews.toml" in words
    assert not (place.folder / "jobs" / "reviews.toml").exists()

    place.write("other.toml", "mine = 1")
    words = refused(place, f"label reviews.csv --text review {MOOD} --save other.toml")
    assert "other.toml is there already" in words


def test_a_recipe_is_checked_and_loaded_as_a_job_file_is(place: Place) -> None:
    """Rows, cost, files that were read, the schema as sent; the same recipe again is the same run."""
    place.write("reviews.toml", RECIPE.replace('text = "review"', 'user = "file:prompt.txt"'))
    place.write("prompt.txt", "Review: {{ review }}")

    checked = place.call("check reviews.toml --json")
    lines = place.call("check reviews.toml").stdout
    first = place.call("load reviews.toml --json")
    again = place.call("load reviews.toml --json")

    found = json.loads(checked.stdout)
    assert (checked.code, found["jobs"], found["table"]["rows"]) == (0, 2, 2)
    assert [file["path"] for file in found["table"]["files"]] == ["prompt.txt"]
    assert found["table"]["schema"]["properties"]["mood"]["enum"] == ["good", "bad"]
    assert "2 rows, 2 to send" in lines
    assert "prompt.txt" in lines
    assert '"enum":["good","bad"]' in lines.replace("\n", "").replace(" ", "")
    assert (json.loads(first.stdout)["run"], json.loads(again.stdout)["run"]) == (1, 1)
    assert json.loads(again.stdout)["created"] is False


def test_bad_rows_are_named_by_check_and_refused_by_load(place: Place) -> None:
    """Row, line, column, code and cure."""
    place.write("reviews.toml", RECIPE)
    place.write("reviews.csv", 'id,review\na,"so\ngood"\nb,\nc\n')

    checked = place.call("check reviews.toml")
    loaded = place.call("load reviews.toml")

    assert (checked.code, loaded.code) == (3, 3)
    assert "2 bad rows" in checked.stdout
    assert "row 2" in loaded.stderr
    assert "column review" in loaded.stderr
    assert "[empty-prompt]" in loaded.stderr
    assert "row 3 (line 5)" in loaded.stderr
    assert not (place.folder / "reviews.bad.jsonl").exists()


def test_a_recipe_with_faults_exits_as_a_bad_job_file(place: Place) -> None:
    """Its keys are named."""
    place.write(
        "reviews.toml", RECIPE.replace('text = "review"', 'user = "{{ reviewz }}"\nmodle = "grok-4.3"')
    )
    assert "modle" in refused(place, "check reviews.toml", 3)

    place.write("reviews.toml", RECIPE.replace('text = "review"', 'user = "{{ reviewz }}"'))
    words = refused(place, "load reviews.toml", 3)
    assert "reviews.toml cannot be used for reviews.csv" in words
    assert 'prompt.user: line 1: there is no column "reviewz"' in words


def test_a_row_is_shown_by_its_number(place: Place) -> None:
    """Also where rows were left out; a row without a job says why."""
    place.write("reviews.csv", "id,review\na,x\nb,\nc,so good\n")
    place.write("reviews.toml", RECIPE.replace("[prompt]", 'id = "id"\n[prompt]'))
    loaded = place.call("load reviews.toml --skip-bad")
    assert "skipped 1 bad row; the output says why: _status is skipped" in loaded.stderr

    assert json.loads(place.call("show 1 3 --json").stdout)["custom_id"] == "c"
    assert "row 2 was skipped: row 2, column review" in place.call("show 1 2").stderr
    assert "row 9 of run 1 has no job" in place.call("show 1 9").stderr


def test_stdin_is_kept_to_be_read_twice(place: Place) -> None:
    """Its format is found out from its first bytes."""
    done = place.call(f"label - --text review {MOOD}", TABLE)

    assert "no API key" in done.stderr
    assert len(list((place.home / "stdin").iterdir())) == 1
    assert "loaded 2 rows as run 1" in done.stderr


def test_another_prompt_over_the_same_table_is_said_to_be_another_run(place: Place) -> None:
    """It is paid for separately; what the first run was asked again stays as it was loaded."""
    first = f"label reviews.csv --text review {MOOD}"
    place.call(first)

    other = place.call(f"{first} --system 'Be strict.'")
    again = place.call(f"{first} --reask 0")

    assert "warning: run 1 (reviews) has the same table with another recipe" in other.stderr
    assert "runner start 1 continues that run" in other.stderr
    assert "note: run 1 keeps what it was loaded with: reask 2" in again.stderr


def test_of_runs_over_the_same_table_the_one_to_continue_is_named(place: Place) -> None:
    """One that has ended needs no warning: trying another recipe is usual. One without rows is not named."""
    first = f"label reviews.csv --text review {MOOD}"
    place.call(f"{first} -o 1.csv --where 'review == \"\"'")
    second = place.call(f"{first} -o 2.csv")
    place.call("cancel 2 --yes")
    third = place.call(f"{first} -o 3.csv --system 'Be strict.'")
    fourth = place.call(f"{first} -o 4.csv --system 'Be kind.'")

    assert "same table" not in second.stderr
    assert "note: run 2 (reviews) has the same table with another recipe" in third.stderr
    assert "runner write 2 writes that run's files" in third.stderr
    assert "warning: run 3 (reviews) has the same table with another recipe" in fourth.stderr


def test_columns_and_prefix_of_the_last_command_are_those_of_the_run(place: Place) -> None:
    """They cost nothing: the labels are there."""
    first = f"label reviews.csv --text review {MOOD}"
    place.call(first)
    again = place.call(f"{first} --columns cost --prefix x_")
    place.call("write 1 -o labeled.csv")

    assert "keeps what it was loaded with" not in again.stderr
    written = (place.folder / "labeled.csv").read_text().splitlines()[0]
    assert written == "id,review,x_mood,x__status,x__error,x__cost_usd"


@pytest.mark.parametrize("command", ["run", "check", "load"])
def test_a_table_without_a_recipe_is_for_label(place: Place, command: str) -> None:
    """Not twenty lines that are no JSON; `label` is the cure."""
    words = refused(place, f"{command} reviews.csv")

    assert words.splitlines()[0] == "error: reviews.csv is a table, not a job file or a recipe"
    assert "runner label" in words


def test_a_skipped_row_is_said_to_be_in_the_output(place: Place) -> None:
    """A table has no file of bad lines."""
    place.write("gaps.toml", RECIPE.replace("reviews.csv", "gaps.csv"))
    place.write("gaps.csv", "id,review\na,so good\nb,\n")
    done = place.call("load gaps.toml --skip-bad")

    assert done.code == 0, done.output
    assert "skipped 1 bad row; the output says why: _status is skipped" in done.stderr
    assert not list(place.folder.glob("*.bad.jsonl"))
