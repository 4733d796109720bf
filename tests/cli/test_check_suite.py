"""`runner check SUITE`: items, requests, price, graders and the drop that a night finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from test_commands import Place

pytest.importorskip("runner.rules.evaluation.graders")
pytest.importorskip("runner.rules.statistics.detectable")

EXAMPLE: Final = Path(__file__).parents[2] / "jobs" / "questions.suite.toml"
SUITE = """
items = "items.csv"
epochs = 2
[[subject]]
name = "old"
model = "grok-4.3"
[[subject]]
name = "new"
model = "grok-4.3"
system = "file:system.md"
[[grader]]
type = "number"
"""
ITEMS = "input,target,cluster\n1 + 1?,2,a\n2 + 2?,four,a\n3 + 3?,6,b\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a folder with a suite."""
    place = Place(tmp_path)
    place.write("sums.suite.toml", SUITE)
    place.write("items.csv", ITEMS)
    place.write("system.md", "Answer with a number.")
    return place


def json_of(place: Place) -> dict[str, Any]:
    """Return the object of `check --json`."""
    done = place.call("check sums.suite.toml --json")
    assert done.code in (0, 3), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_suite_is_reported_in_80_columns_and_nothing_is_kept(place: Place) -> None:
    """No key, no engine, no state folder; plain text."""
    done = place.call("check sums.suite.toml")

    assert (done.code, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in (
        "sums.suite.toml: 12 jobs",
        "no bad items",
        "items.csv (inspect): 3 items x 2 epochs x 2 variants",
        "system.md, sha256 ",
        "variant old, new",
        "number (number, primary): does not grade 1 of 3 targets as right:",
        "a drop of ",
        "12 requests",
        "cost    $",
    ):
        assert words in " ".join(done.stdout.replace("\n", " ").split()) or words in done.stdout
    assert not place.home.exists()


def test_a_grader_in_python_is_said_to_need_trust(place: Place) -> None:
    """A night without the flag would be refused; the code is not run here."""
    place.write("checks.py", "raise SystemExit")
    place.write(
        "sums.suite.toml", f'{SUITE}[[grader]]\nname = "mine"\ntype = "python"\nfunction = "checks:f"\n'
    )

    shown = " ".join(place.call("check sums.suite.toml").stdout.split())
    assert "mine (python): not tried on the targets; it is code of the suite" in shown
    assert "runs only with --trust-code" in shown


def test_clusters_give_two_numbers(place: Place) -> None:
    """How much alike their items are no night has shown yet: not at all, or as one."""
    rows = "".join(f"{n} + {n}?,{2 * n},{n // 4}\n" for n in range(160))
    place.write("items.csv", "input,target,cluster\n" + rows)
    alone, of_alone = place.call("check sums.suite.toml").stdout, json_of(place)["suite"]["detectable"]
    mapped = '[items]\nfile = "items.csv"\ncluster = "cluster"\n'
    place.write("sums.suite.toml", SUITE.replace('items = "items.csv"\nepochs = 2', f"epochs = 2\n{mapped}"))

    done, found = place.call("check sums.suite.toml"), json_of(place)["suite"]["detectable"]

    assert done.code == 0, done.output
    each, as_one = (f"{100 * found[key]:.1f}" for key in ("drop", "drop_together"))
    assert (
        f"finds a drop of {each} points where the items of a cluster rise and fall each by itself,"
        f" of {as_one} where all of them do as one, 8 times in 10, after 14 nights and if 80 % is right"
    ) in " ".join(done.stdout.split())
    assert found["drop_together"] == pytest.approx(2 * found["drop"])  # four items in each
    assert "cluster" not in alone
    assert of_alone["drop_together"] is None
    assert of_alone["drop"] < found["drop"]  # as 40 clusters are tested by t


def test_the_object_is_the_same_in_numbers(place: Place) -> None:
    """Beside what `check` says of every file."""
    found = json_of(place)
    suite = found["suite"]

    assert (found["schema"], found["accepted"], found["jobs"], found["lines"]) == (1, True, 12, 3)
    assert (suite["items"], suite["epochs"], suite["variants"], suite["requests"]) == (
        3,
        2,
        ["old", "new"],
        12,
    )
    (grader,) = suite["graders"]
    assert (grader["tried"], grader["wrong"], len(grader["examples"])) == (3, 1, 1)
    assert [Path(one["path"]).name for one in suite["files"]] == ["system.md", "items.csv"]
    assert 0 < suite["detectable"]["drop"] < 1
    assert suite["detectable"]["drop_together"] is None
    assert (suite["detectable"]["score"], suite["detectable"]["nights"]) == (0.8, 14)
    assert "table" not in found


def test_bad_items_are_reported_and_refuse_the_suite(place: Place) -> None:
    """Exit 3, the first 20 with their places."""
    place.write("items.csv", ITEMS + ",7,b\n" * 25)
    done = place.call("check sums.suite.toml")

    assert done.code == 3
    assert "25 bad items; correct them before the suite is run" in done.stdout
    assert done.stdout.count("[empty-input]") == 20
    assert "row 4, column input: the input is empty" in done.stdout
    assert "… and 5 more" in done.stdout
    found = json_of(place)
    assert (found["accepted"], found["bad"]["total"], len(found["suite"]["bad"])) == (False, 25, 20)


def test_hostile_text_stays_text(place: Place) -> None:
    """In ids, names and reasons."""
    place.write("items.csv", 'id,input,target\n"\x1b[31mred",1?,one\nb,2?,2\n')
    done = place.call("check sums.suite.toml")
    assert done.code == 0
    assert "\x1b" not in done.stdout
    assert "red" in done.stdout


@pytest.mark.parametrize("flag", ["--model grok-4.5", "--model-for-all grok-4.5", "--skip-bad"])
def test_flags_that_would_change_the_night_are_refused(place: Place, flag: str) -> None:
    """What a night asks stands in its suite alone."""
    done = place.call(f"check sums.suite.toml {flag}")
    assert done.code == 2
    assert f"{flag.partition(' ')[0]} is not for a suite" in done.stderr


def test_warnings_refuse_the_suite_with_strict(place: Place) -> None:
    """Those of requests and those of the suite."""
    place.write("sums.suite.toml", SUITE.replace("[[grader]]", "body.temprature = 1\n[[grader]]"))
    assert place.call("check sums.suite.toml").code == 0
    assert place.call("check sums.suite.toml --strict").code == 3
    place.write("sums.suite.toml", SUITE)
    place.write("items.csv", "input\nx\n")
    assert place.call("check sums.suite.toml --strict").code == 3


def test_a_suite_that_cannot_be_used_is_an_error(place: Place) -> None:
    """Exit 3, with all faults."""
    place.write("sums.suite.toml", SUITE.replace("epochs = 2", "epochs = 0\nitms = 1"))
    done = place.call("check sums.suite.toml")
    assert done.code == 3
    assert "epochs: must be a whole number" in done.stderr
    assert 'did you mean "items"?' in done.stderr


def test_the_example_suite_is_checked_without_a_warning(place: Place) -> None:
    """Every target is graded 1 by every grader that can be tried."""
    done = place.call(f"check {EXAMPLE} --strict --json")
    found = json.loads(done.stdout)["suite"]

    assert (done.code, done.stderr) == (0, "")
    assert (found["items"], found["requests"]) == (40, 120)
    assert [(one["tried"], one["wrong"]) for one in found["graders"]] == [(40, 0), (40, 0), (0, 0)]


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_example_has_answers_to_all_its_questions() -> None:
    """The right one first, with probabilities that add up to 1."""
    questions = rows(EXAMPLE.parent / "questions.jsonl")
    answers = rows(EXAMPLE.parent / "questions.answers.jsonl")

    assert [one["text"] for one in answers] == [one["prompt"] for one in questions]
    for question, found in zip(questions, answers, strict=True):
        first = next(iter(found["answers"]))
        assert first == question["metadata"]["expected"]
        assert sum(found["answers"].values()) == pytest.approx(1)
