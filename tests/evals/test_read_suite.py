"""A suite with its items: what it reads, and what stops a night before it begins."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from runner.evals.grading.grader_trial import try_graders
from runner.evals.suite.read_suite import ReadSuite, read_suite
from runner.evals.suite.suite_file import is_suite_file
from runner.rules.costs.estimate import Tally, estimate
from runner.rules.errors import UsageError, UserError

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("runner.rules.evaluation.graders")

SUITE = """
items = "items.jsonl"
epochs = 3
[subject]
model = "grok-4.3"
[[grader]]
type = "exact"
"""
ITEMS: tuple[dict[str, Any], ...] = ({"input": "1 + 1?", "target": "2"}, {"input": "2 + 2?", "target": "4"})


def write(folder: Path, suite: str = SUITE, *items: dict[str, Any]) -> Path:
    """Write a suite and its items; return the path of the suite."""
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items or ITEMS))
    path = folder / "sums.suite.toml"
    path.write_text(suite, encoding="utf-8")
    return path


def read(path: Path) -> tuple[ReadSuite, Tally]:
    """Return the suite of a file, and the sums over its requests."""
    tally = Tally(date(2026, 11, 30))
    return read_suite(path, tally), tally


def faults_of(folder: Path, suite: str, *items: dict[str, Any]) -> tuple[str, ...]:
    """Return the faults of a suite that cannot be used."""
    path = write(folder, suite, *items)
    with pytest.raises(UserError) as raised:
        read(path)
    assert raised.value.what == f"{path} is no suite that can be used"
    assert raised.value.fix == "correct the suite; nothing was sent"
    assert raised.value.exit_code == 3
    return raised.value.where


def test_a_suite_is_read_with_its_items(tmp_path: Path) -> None:
    """Named as its file; the requests are those of all epochs."""
    found, tally = read(write(tmp_path))

    assert (found.suite.name, found.suite.epochs) == ("sums", 3)
    assert [item.target for item in found.items] == ["2", "4"]
    assert (found.faults, found.fault_count, found.warnings, found.request_warning_count) == ([], 0, [], 0)
    assert [one.path for one in found.read_files] == [tmp_path / "items.jsonl"]
    assert found.suite_folder == tmp_path
    assert estimate(tally).jobs == 2 * 3


def test_texts_of_files_are_read(tmp_path: Path) -> None:
    """In subjects and in the options of graders, also of those within another; they are listed."""
    (tmp_path / "system.md").write_text("Be brief.")
    (tmp_path / "words.txt").write_text("two")
    found, _ = read(
        write(
            tmp_path,
            SUITE.replace("[[grader]]", 'system = "file:system.md"\n[[grader]]')
            + '[[grader]]\nname = "both"\ntype = "any"\n'
            + 'graders = [{ type = "exact" }, { type = "includes", target = "file:words.txt" }]',
        )
    )

    assert found.suite.subjects[0].system == "Be brief."
    assert found.suite.graders[1].options["graders"][1]["target"] == "two"
    names = {one.path.name for one in found.read_files}
    assert names == {"system.md", "words.txt", "items.jsonl"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("epochs = 3", "epochs = 0"), "epochs: must be a whole number"),
        (
            ("epochs = 3", 'timezone = "Europe/Berln"'),
            'timezone: there is no time zone "Europe/Berln"; did you mean',
        ),
        (("epochs = 3", 'timezone = "../etc/passwd"'), 'timezone: there is no time zone "../etc/passwd"'),
        (
            ("[[grader]]", 'user = "file:none.md"\n[[grader]]'),
            "subject.user: none.md cannot be read: No such file",
        ),
        (
            ("[[grader]]", 'user = "file:../x"\n[[grader]]'),
            "subject.user: ../x is outside of the suite's folder",
        ),
        (
            ("[[grader]]", 'user = "{{ inptu }}"\n[[grader]]'),
            'subject.user: line 1: the items have no "inptu"; did',
        ),
        (("[[grader]]", 'user = "{{ input"\n[[grader]]'), "subject.user: line 1: "),
        (
            ("[[grader]]", "body.temperature = 3\n[[grader]]"),
            "subject.body.temperature: temperature must be a",
        ),
        (("[[grader]]", "body.n = 2\n[[grader]]"), "subject.body.n: n is 2; one job has one answer"),
        (("grok-4.3", "a\\u0007b"), "subject.model: the model"),
        (('type = "exact"', 'type = "exactly"'), "grader.exactly.type: there is no grader"),
        (('type = "exact"', 'type = "humaneval"'), "grader.humaneval.type: "),
        (('type = "exact"', 'type = "exact"\nignr = ["case"]'), "grader.exact.ignr: "),
    ],
)
def test_a_fault_of_the_suite_is_named(tmp_path: Path, change: tuple[str, str], fault: str) -> None:
    """With its key, before anything is stored."""
    where = faults_of(tmp_path, SUITE.replace(*change))
    assert [line for line in where if line.startswith(fault)], where


def test_all_faults_of_a_suite_are_found_at_once(tmp_path: Path) -> None:
    """Those of keys, of files, of graders and of the request."""
    where = faults_of(
        tmp_path,
        'itms = 1\nitems = "items.jsonl"\ntimezone = "Mars"\n[subject]\nmodel = "grok-4.3"\nbody.n = 2\n'
        'user = "file:none.md"\n[[grader]]\ntype = "exct"\n[[gate]]\nrule = "x"',
    )
    keys = {line.partition(":")[0] for line in where}
    assert keys == {"itms", "timezone", "subject.body.n", "subject.user", "grader.exct.type", "gate.rule"}


def test_what_is_no_toml_is_refused(tmp_path: Path) -> None:
    """In words for a suite; a missing file is a usage error."""
    assert faults_of(tmp_path, "items = [")[0].startswith("this is not TOML: ")
    with pytest.raises(UsageError, match="the suite cannot be read"):
        read(tmp_path / "none.suite.toml")


def test_an_item_that_makes_no_request_is_bad(tmp_path: Path) -> None:
    """Its line is named, with what the template or the API lacks; once, however many variants there are."""
    suite = SUITE.replace("[subject]", '[[subject]]\nname = "a"\nuser = "{{ topic }} {{ input }}"').replace(
        "[[grader]]", '[[subject]]\nname = "b"\nmodel = "grok-4.3"\n[[grader]]', 1
    )
    good = {"input": "1?", "target": "1", "topic": "x"}
    found, _ = read(write(tmp_path, suite, good, {"input": "2?", "target": "2"}, good))
    (fault,) = found.faults
    assert (fault.line, fault.column, fault.code, found.fault_count) == (2, "topic", "null-cell", 1)

    job = {"prompt": "1?", "target": "1", "temperature": 7}
    found, _ = read(write(tmp_path, SUITE, {"prompt": "1?", "target": "1"}, job))
    assert [(fault.line, fault.code) for fault in found.faults] == [(2, "bad-value")]


def test_what_is_odd_is_warned_of(tmp_path: Path) -> None:
    """Choices that no prompt shows, items without a target, fields that the API ignores."""
    one = {"input": "Which?", "choices": ["red", "green"], "target": "A"}
    found, _ = read(write(tmp_path, SUITE, one, {"input": "x"}))
    first, second = found.warnings
    assert first.startswith("1 item with choices that the model is not shown: write user = ")
    assert second.startswith("1 item without a target, such as ")

    shown = SUITE.replace("[[grader]]", 'user = "{{ input }} {{ choices }}"\n[[grader]]')
    assert read(write(tmp_path, shown, one))[0].warnings == []
    assert read(write(tmp_path, SUITE, {**one, "input": "Which: red or green?"}))[0].warnings == []
    no_targets = SUITE.replace("exact", "length") + "at_most = 3\n"
    (warning,) = read(write(tmp_path, no_targets, {"input": "x"}))[0].warnings
    assert warning.startswith("no item has a target")
    found, _ = read(write(tmp_path, SUITE.replace("[[grader]]", "body.temprature = 1\n[[grader]]")))
    assert (found.request_warning_count, found.request_warnings[0].code) == (2, "unknown-field")


@pytest.mark.parametrize(
    ("name", "content", "is_suite"),
    [
        ("a.suite.toml", "", True),
        ("a.toml", SUITE, True),
        ("a.toml", "recipe = 1\n[prompt]\n", False),
        ("a.toml", "recipe = 1\nitems = 'x'", False),
        ("a.toml", "items = [", False),
        ("a.jsonl", SUITE, False),
    ],
)
def test_a_suite_is_known_by_its_name_or_its_keys(
    tmp_path: Path, name: str, content: str, *, is_suite: bool
) -> None:
    """A recipe is none, nor what cannot be read."""
    (tmp_path / name).write_text(content)
    assert is_suite_file(tmp_path / name) is is_suite


GRADERS = """
items = "items.jsonl"
subject.model = "grok-4.3"
grader = [
  { type = "exact" }, { type = "number" }, { type = "choice" }, { type = "field", field = "sum.value" },
  { name = "either", type = "any", graders = [{ type = "exact" }, { type = "includes" }] },
  { type = "length", at_most = 5 }, { type = "regex", pattern = "x" }, { type = "json" },
  { name = "fixed", type = "exact", target = "yes" },
  { name = "mixed", type = "all", graders = [{ type = "exact" }, { type = "json" }] },
]
"""


def test_graders_are_tried_on_the_targets(tmp_path: Path) -> None:
    """What is right must be graded 1; items where it is not are counted and the first 5 named."""
    items = tuple({"input": f"{n}?", "target": ["four", "4"] if n else "4", "id": f"i{n}"} for n in range(8))
    found, _ = read(write(tmp_path, GRADERS, *items, {"input": "x"}))
    trials = {trial.grader.name: trial for trial in try_graders(found.suite, found.items)}

    assert {name: (trial.tried, trial.wrong) for name, trial in trials.items()} == {
        "exact": (8, 0), "number": (8, 7), "choice": (8, 8), "field": (8, 0), "either": (8, 0),
        "length": (0, 0), "regex": (0, 0), "json": (0, 0), "fixed": (0, 0), "mixed": (0, 0),
    }  # fmt: skip
    assert [example.partition(":")[0] for example in trials["number"].examples] == [
        "i1",
        "i2",
        "i3",
        "i4",
        "i5",
    ]
    untried = [name for name, trial in trials.items() if trial.not_tried]
    assert untried == ["length", "regex", "json", "fixed", "mixed"]


@pytest.mark.parametrize(
    ("grader", "item", "reason"),
    [
        (
            "exact",
            {"input": "x"},
            "no item has a target, with which it compares answers; add the targets, or ",
        ),
        (
            "choice",
            {"id": "a", "input": "x", "target": "5"},
            "does not grade any target as right, such as that",
        ),
        (
            "number",
            {"id": "a", "input": "x", "target": "five"},
            "does not grade any target as right, such as ",
        ),
    ],
)
def test_a_gate_that_no_answer_can_pass_stops_the_night(
    tmp_path: Path, grader: str, item: dict[str, Any], reason: str
) -> None:
    """It is paid for without a verdict. One item that fits is enough; graders without a gate may be so."""
    suite = SUITE.replace("exact", grader)
    (fault,) = faults_of(tmp_path, suite, item)

    assert fault.startswith(f"grader.{grader}: {reason}")
    assert read(write(tmp_path, suite, item, {"input": "y", "choices": ["1", "2"], "target": "1"}))
    assert read(write(tmp_path, suite.replace("[[grader]]", '[[grader]]\ntype = "json"\n[[grader]]'), item))
