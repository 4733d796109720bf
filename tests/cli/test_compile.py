"""`runner compile`: the job lines of a table and a recipe, and what is wrong with them. Nothing is sent."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from test_commands import Place

from runner.rules.requests.request import Defaults, read_request

if TYPE_CHECKING:
    from pathlib import Path

TABLE = 'id,review,product name,stars\n007,"Great, really",lamp,5\n8,,lamp,1\n9,{{ 7*7 }} bad,sofa,2\n'
LABELS = '--labels "sentiment: positive|neutral|negative"'
RECIPE = """
recipe = 1
[table]
file = "{}"
where = "review|trim"
[prompt]
user = "file:user.j2"
[labels]
sentiment = "positive|neutral|negative"
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a folder with a table, a recipe and its template."""
    place = Place(tmp_path)
    place.write("reviews.csv", TABLE)
    place.write("r.toml", RECIPE.format("reviews.csv"))
    place.write("user.j2", '{{ cell["product name"] }}: {{ review }}\n')
    return place


def bodies(stdout: str) -> dict[str, Any]:
    """Return the bodies of printed job lines by their ids; each line is one that `load` accepts."""
    found = {}
    for number, line in enumerate(stdout.splitlines(), 1):
        request, _ = read_request(line.encode(), number, Defaults(model="grok-4.3"))
        assert request is not None
        found[request.custom_id] = json.loads(request.body)
    return found


def prompts(stdout: str) -> dict[str, str]:
    """Return the user prompts of printed job lines by their ids."""
    return {name: body["messages"][-1]["content"] for name, body in bodies(stdout).items()}


def test_the_first_line_shows_what_a_row_becomes(place: Place) -> None:
    """The shortest call; no key, no engine, no state folder."""
    done = place.call(f"compile reviews.csv --text review {LABELS} -n 1")

    assert (done.code, done.stderr) == (0, "")
    (body,) = bodies(done.stdout).values()
    assert body["messages"][-1]["content"] == "Great, really"
    assert '"positive"' in body["messages"][0]["content"]
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["sentiment"]["enum"] == ["positive", "neutral", "negative"]
    assert not place.home.exists()


def test_a_recipe_makes_the_lines_that_its_flags_make(place: Place) -> None:
    """Byte for byte; ids come from a column, as text."""
    by_recipe = place.call("compile r.toml --id id")
    by_flags = place.call(f"compile reviews.csv --user user.j2 --where review|trim --id id {LABELS}")

    assert (by_recipe.code, by_recipe.stderr) == (0, "")
    assert by_recipe.stdout == by_flags.stdout
    assert prompts(by_recipe.stdout) == {"007": "lamp: Great, really", "9": "sofa: {{ 7*7 }} bad"}


def test_a_row_with_a_fault_is_refused_or_left_out(place: Place) -> None:
    """Exit 3 with its row and column; the lines of the others are printed all the same."""
    refused = place.call(f"compile reviews.csv --text review {LABELS}")
    skipped = place.call(f"compile reviews.csv --text review {LABELS} --skip-bad")

    assert (refused.code, skipped.code) == (3, 0)
    assert "row 2, column review: the prompt is empty [empty-prompt]" in refused.stderr
    assert list(prompts(skipped.stdout)) == ["row-1", "row-3"]
    assert skipped.stdout == refused.stdout
    assert skipped.stderr == "1 row has a fault; left out\n"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (
            f"reviews.csv --user '{{{{ review_x }}}}' {LABELS}",
            2,
            '--user: line 1: there is no column "review_x"; did',
        ),
        (f"reviews.csv --text review --where 'stars >' {LABELS}", 2, "--where: line 1: "),
        ("reviews.csv --text review --labels 'a: b|'", 2, "--labels a: a value is empty"),
        ("reviews.csv --text review --labels 'a: @no.csv'", 2, "no.csv cannot be read"),
        (f"reviews.csv --text review --user x {LABELS}", 2, "--text and --user exclude each other"),
        (f"reviews.csv --text review --table reviews.csv {LABELS}", 2, "is a table too"),
        ("reviews.csv", 2, "there is no prompt"),
        (f"none.csv --text review {LABELS}", 3, "none.csv cannot be read"),
        ("none.toml", 2, "the recipe cannot be read"),
        ("bad.toml", 3, "prompt.txt: this key does not exist"),
        ("r.toml --text review_x", 3, 'prompt.text: there is no column "review_x"; did you mean "review"?'),
        ("out.toml", 3, "../reviews.csv is outside of"),
    ],
)
def test_a_wrong_call_is_an_error_with_a_cure(place: Place, words: str, code: int, error: str) -> None:
    """Flags are exit 2, files are exit 3; nothing is printed on stdout."""
    place.write("bad.toml", "recipe = 1\n[prompt]\ntxt = 'review'\n")
    place.write("out.toml", RECIPE.format("../reviews.csv"))
    done = place.call(f"compile {words}")

    assert (done.code, done.stdout) == (code, "")
    assert error in done.stderr
    assert "fix: " in done.stderr


def test_a_flag_may_name_a_file_outside_of_the_folder_of_a_recipe(place: Place) -> None:
    """The path is from where the command is called."""
    (place.folder / "jobs").mkdir()
    for name in ("r.toml", "user.j2"):
        (place.folder / name).rename(place.folder / "jobs" / name)
    assert place.call("compile jobs/r.toml").code == 3
    done = place.call("compile jobs/r.toml --table reviews.csv")
    assert (done.code, list(prompts(done.stdout))) == (0, ["row-1", "row-3"])


def test_every_flag_shapes_the_lines(place: Place) -> None:
    """Examples, constants, a model, values of a file, a sample."""
    place.write("topics.csv", "name,meaning\nprice,what it costs\nservice,how people were\n")
    place.write("examples.csv", "review,topic,score\ntoo dear,price,1\n")
    done = place.call(
        "compile reviews.csv --user '{{ shop }}: {{ review }}' --system 'For {{ shop }}.' --set shop=north"
        " --labels 'topic: @topics.csv; score: 1..5' --examples examples.csv --model grok-4 --sample 1"
        " --seed 5 --where review"
    )
    assert done.code == 0
    (body,) = bodies(done.stdout).values()
    system, user, assistant, last = (message["content"] for message in body["messages"])
    assert body["model"] == "grok-4"
    assert system.startswith("For north.")
    assert "what it costs" in system
    assert (user, assistant) == ("north: too dear", '{"topic":"price","score":1}')
    assert last.startswith("north: ")


def test_tables_of_other_formats_make_the_same_lines(place: Place) -> None:
    """JSONL, where an empty cell is a null, and gzip."""
    rows = [{"review": "Great, really"}, {"review": None}, {"review": "bad"}]
    place.write("reviews.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    (place.folder / "reviews.csv.gz").write_bytes(gzip.compress(b'review\n"Great, really"\n""\nbad\n'))
    for name in ("reviews.jsonl", "reviews.csv.gz"):
        done = place.call(f"compile {name} --text review {LABELS} --skip-bad")
        assert prompts(done.stdout) == {"row-1": "Great, really", "row-3": "bad"}
