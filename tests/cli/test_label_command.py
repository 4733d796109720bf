"""`runner label` and recipes on the command line: what is refused before anything is loaded, and how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_commands import Place

if TYPE_CHECKING:
    from cli_calls import Called

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


def test_a_recipe_is_saved_once_its_table_is_loaded(place: Place) -> None:
    """Not where the table is refused, or the files of the run; what is at its path stays."""
    place.write("bad.csv", "id,review\na,so good\nb,\n")
    assert place.call(f"label bad.csv --text review {MOOD} --save r.toml").code == 3
    place.write("mine.csv", "mine")
    taken = place.call(f"label reviews.csv --text review {MOOD} -o mine.csv --save r.toml")
    assert "would replace a file" in taken.stderr
    assert not (place.folder / "r.toml").exists()

    (place.folder / "r.toml").symlink_to(place.folder / "nowhere.toml")
    linked = place.call(f"label reviews.csv --text review {MOOD} --save r.toml")
    assert "is a symbolic link" in linked.stderr
    assert f"--save {place.folder / 'nowhere.toml'}" in linked.stderr
    assert not place.call("list").stdout  # nothing was loaded


def test_no_further_columns_is_a_word_of_label_too(place: Place) -> None:
    """It holds also where the recipe names some; they are no part of the run."""
    place.write("reviews.toml", RECIPE + '[out]\ncolumns = ["cost"]\n')
    place.call("label reviews.toml --columns none --name none")
    place.call("label reviews.toml --name some")
    for name, header in (("none", "_error"), ("some", "_error,_cost_usd")):
        place.call(f"write {name} -o {name}.csv")
        written = (place.folder / f"{name}.csv").read_text().splitlines()
        assert written[0] == f"id,review,mood,_status,{header}"


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
    skipped = place.call("show 1 2").stderr.splitlines()
    assert skipped[0] == "error: row 2 of run 1 was skipped, so it has no job"
    assert skipped[1].startswith("  row 2, column review: the prompt is empty")
    assert skipped[2].startswith("fix: correct it")
    assert "row 9 of run 1 has no job" in place.call("show 1 9").stderr
    unknown = place.call("show 1 b").stderr
    assert "without --id row-N; or the number of a row\n" in unknown
    assert (
        "1 row was skipped at loading and kept by number alone: runner sample 1 --status skipped" in unknown
    )
    assert place.call("sample 1 --status skipped").code == 0


def test_a_row_that_was_left_out_is_not_unknown_by_its_name(place: Place) -> None:
    """Row-N says why row N has no job, and is row N also where a column has the ids."""
    place.write("reviews.csv", "id,review\na,x\nb,\nc,so good\n")
    place.write("reviews.toml", RECIPE)
    place.call("load reviews.toml --skip-bad")

    assert json.loads(place.call("show 1 row-3 --json").stdout)["custom_id"] == "row-3"
    assert "error: row 2 of run 1 was skipped, so it has no job\n" in place.call("show 1 row-2").stderr
    assert "error: row 9 of run 1 has no job\n" in place.call("show 1 row-9").stderr

    place.write("reviews.toml", RECIPE.replace("[prompt]", 'id = "id"\n[prompt]'))
    place.call("load reviews.toml --skip-bad")
    assert json.loads(place.call("show 2 row-3 --json").stdout)["custom_id"] == "c"


def test_stdin_is_kept_to_be_read_twice(place: Place) -> None:
    """Its format is found out from its first bytes."""
    done = place.call(f"label - --text review {MOOD}", TABLE)

    assert "no API key" in done.stderr
    assert len(list((place.home / "stdin").iterdir())) == 1
    assert "loaded 2 rows as run 1" in done.stderr


def test_a_run_is_the_same_whether_encoding_and_delimiter_were_found_or_given(place: Place) -> None:
    """And by any name of the encoding; read otherwise it is another run."""
    (place.folder / "reviews.csv").write_bytes("id;review\na;très bon\n".encode("cp1252"))
    place.write("reviews.toml", RECIPE)

    def loaded(*lines: str) -> int:
        place.write("reviews.toml", RECIPE.replace("[prompt]", "\n".join((*lines, "[prompt]"))))
        return int(place.call("load reviews.toml").stdout)

    same = [(), ('encoding = "cp1252"',), ('encoding = "windows-1252"', 'delimiter = ";"')]
    assert [loaded(*lines) for lines in same] == [1, 1, 1]
    assert loaded('encoding = "latin-1"') == 2


CLASS = "import msgspec, typing\nclass Review(msgspec.Struct):\n    mood: typing.Literal['good', 'bad']\n"
CODE_RECIPE = RECIPE.replace("recipe = 1\n", 'recipe = 1\nschema = "labels:Review"\n').partition("[labels]")[
    0
]
RAN = "open('ran', 'w').close()\n"


def run_of(called: Called) -> int:
    """Return the run that `load --json` names."""
    return int(json.loads(called.stdout)["run"])


def test_a_class_that_a_flag_names_is_run(place: Place) -> None:
    """It was typed by the user; the schema goes the way of a file's."""
    place.write("labels.py", CLASS)
    lines = place.call("compile reviews.csv --text review --schema labels:Review").stdout.splitlines()

    sent = json.loads(lines[0])["body"]["response_format"]["json_schema"]["schema"]
    assert sent["properties"]["mood"]["enum"] == ["bad", "good"]
    assert sent["additionalProperties"] is False

    place.call("label reviews.csv --text review --schema labels:Review --save reviews.toml")
    assert 'schema = "labels:Review"' in (place.folder / "reviews.toml").read_text()
    assert run_of(place.call("load reviews.toml --trust-code --json")) == 1


def test_the_code_of_a_recipe_runs_only_when_it_is_trusted(place: Place) -> None:
    """A recipe may be another person's. Its folder is where the module is."""
    (place.folder / "jobs").mkdir()
    place.write("jobs/reviews.csv", TABLE)
    place.write("jobs/reviews.toml", CODE_RECIPE)
    place.write("jobs/labels.py", CLASS + RAN)

    for command in ("load", "run", "label", "compile"):
        words = " ".join(refused(place, f"{command} jobs/reviews.toml", 3).split())
        assert "schema: labels:Review is code, and a recipe's code is not run; read the code" in words
        assert "add --trust-code" in words
    assert not (place.folder / "jobs" / "ran").exists()

    assert run_of(place.call("load jobs/reviews.toml --trust-code --json")) == 1
    assert (place.folder / "jobs" / "ran").exists()


def test_check_of_a_recipe_runs_no_code_and_checks_the_rest(place: Place) -> None:
    """It says so; trusted, the code is run, and is one of the files that were read."""
    place.write("reviews.toml", CODE_RECIPE)
    place.write("labels.py", CLASS + RAN)

    done = place.call("check reviews.toml")
    found = json.loads(place.call("check reviews.toml --json").stdout)
    assert done.code == 0
    assert "2 rows, 2 to send" in done.stdout
    assert "labels:Review is code, which was not run" in " ".join(done.stdout.split())
    assert (found["jobs"], found["table"]["schema"]) == (2, None)
    (warning,) = found["table"]["warnings"]
    assert "labels:Review is code, which was not run" in warning
    place.write("reviews.csv", "id,review\na,\n")
    assert "[empty-prompt]" in place.call("check reviews.toml").stdout
    assert not (place.folder / "ran").exists()

    place.write("reviews.csv", TABLE)
    found = json.loads(place.call("check reviews.toml --trust-code --json").stdout)
    assert list(found["table"]["schema"]["properties"]) == ["mood"]
    assert [Path(file["path"]).name for file in found["table"]["files"]] == ["labels.py"]


def test_a_class_that_changed_makes_another_run(place: Place) -> None:
    """And one that is written otherwise, with the same schema, does not."""
    place.write("reviews.toml", CODE_RECIPE)

    def loaded(text: str) -> int:
        place.write("labels.py", text)
        return run_of(place.call("load reviews.toml --trust-code --json"))

    assert loaded(CLASS) == loaded(f"# the same\n{CLASS}") == 1
    assert loaded(CLASS.replace("'bad'", "'bad', 'mixed'")) == 2

    (place.folder / "labels.py").unlink()
    stored = json.loads(place.call("show 1 1 --json").stdout)
    assert "good" in json.dumps(stored)


def test_a_class_that_has_no_schema_is_told_by_its_flag(place: Place) -> None:
    """As a schema file with the same fault would be; no place of a file that is none."""
    place.write(
        "labels.py", "class Review:\n    schema = staticmethod(lambda: {'properties': {'a': True}})\n"
    )
    words = " ".join(refused(place, "label reviews.csv --text review --schema labels:Review").split())
    assert "--schema: labels:Review cannot be used as the schema of labels: properties/a: " in words

    words = " ".join(refused(place, "label reviews.csv --text review --schema reviewlabels:Review").split())
    assert "--schema: there is no module reviewlabels in " in words

    words = " ".join(refused(place, "label reviews.csv --text review --schema labels.Review").split())
    assert "--schema: labels.Review cannot be read" in words
    assert "a class is written with a colon: labels:Review" in words


def test_a_recipe_with_a_class_is_saved_beside_its_module(place: Place) -> None:
    """Where it is looked for."""
    place.write("labels.py", CLASS)
    (place.folder / "jobs").mkdir()
    place.write("jobs/reviews.csv", TABLE)
    words = refused(
        place, "label jobs/reviews.csv --text review --schema labels:Review --save jobs/reviews.toml"
    )
    assert "labels.py is outside of jobs" in words


def test_another_prompt_over_the_same_table_is_said_to_be_another_run(place: Place) -> None:
    """It is paid for separately; what the first run was asked again stays as it was loaded."""
    first = f"label reviews.csv --text review {MOOD}"
    place.call(first)

    other = place.call(f"{first} --system 'Be strict.'")
    again = place.call(f"{first} --reask 0")

    assert "warning: run 1 (reviews) has the same table with another prompt or labels" in other.stderr
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
    assert "note: run 2 (reviews) has the same table with another prompt or labels" in third.stderr
    assert "runner write 2 writes that run's files" in third.stderr
    assert "warning: run 3 (reviews) has the same table with another prompt or labels" in fourth.stderr


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
    assert "runner compile" in words


def test_a_skipped_row_is_said_to_be_in_the_output(place: Place) -> None:
    """A table has no file of bad lines."""
    place.write("gaps.toml", RECIPE.replace("reviews.csv", "gaps.csv"))
    place.write("gaps.csv", "id,review\na,so good\nb,\n")
    done = place.call("load gaps.toml --skip-bad")

    assert done.code == 0, done.output
    assert "skipped 1 bad row; the output says why: _status is skipped" in done.stderr
    assert not list(place.folder.glob("*.bad.jsonl"))
