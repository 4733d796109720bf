"""Suite files: which keys and values they take, what they leave to defaults, and how a suite is kept."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.report.night_content import prompt_sha256
from runner.rules.evaluation.suite.suite import GateSpec, GraderSpec, Subject, Suite
from runner.rules.evaluation.suite.suite_items import FieldMap, ItemForm, SuiteItems
from runner.rules.evaluation.suite.suite_json import decode_suite, encode_suite
from runner.rules.evaluation.suite.suite_table import SuiteFile, read_suite_table

WHOLE = """
name = "support-answers"
epochs = 3
timezone = "Europe/Berlin"
[items]
file = "items.csv"
form = "table"
input = "question"
target = "answer"
id = "key"
choices = "options"
cluster = "document"
system = "context"
metadata = ["topic"]
[[subject]]
name = "old"
model = "grok-4.3"
system = "Be brief."
user = "{{ input }}"
body = { temperature = 0.2, max_completion_tokens = 800 }
[[subject]]
name = "new"
model = "grok-4.5"
[[grader]]
name = "correct"
type = "choice"
[[grader]]
name = "close"
type = "number"
relative = 0.01
primary = true
[[gate]]
grader = "correct"
rule = "no-worse"
by = 2
baseline = "pinned:spring"
[[gate]]
false_alarms = "1 in 30 nights"
remeasure = false
baseline = "rolling:7"
[[gate]]
rule = "at-least"
at_least = 0.5
[[gate]]
rule = "measured"
at_least = 0.9
"""
SMALL = """
items = "items.jsonl"
subject.model = "grok-4.3"
[[grader]]
type = "exact"
"""


def read(text: str) -> tuple[SuiteFile, list[str]]:
    """Return the suite of a TOML text in a file `night.suite.toml`, and its faults in words."""
    found, faults = read_suite_table(tomllib.loads(text), "night")
    return found, [str(fault) for fault in faults]


def test_a_whole_suite_is_read() -> None:
    """Each key goes to its field; points become a share; options of a grader are its other keys."""
    (suite, items), faults = read(WHOLE)

    assert faults == []
    assert items == SuiteItems(
        file="items.csv",
        form=ItemForm.TABLE,
        fields=FieldMap(
            input="question", target="answer", id="key", choices="options", cluster="document",
            system="context", metadata=("topic",),
        ),
    )  # fmt: skip
    old = {"temperature": 0.2, "max_completion_tokens": 800}
    assert suite == Suite(
        name="support-answers",
        epochs=3,
        timezone="Europe/Berlin",
        subjects=(
            Subject(name="old", model="grok-4.3", system="Be brief.", user="{{ input }}", body=old),
            Subject(name="new", model="grok-4.5"),
        ),
        graders=(
            GraderSpec(name="correct", type="choice"),
            GraderSpec(name="close", type="number", options={"relative": 0.01}, is_primary=True),
        ),
        gates=(
            GateSpec(rule="no-worse", grader="correct", margin=0.02, baseline="pinned:spring"),
            GateSpec(
                rule="no-drop", grader="close", false_alarm_nights=30, remeasure=False, baseline="rolling:7"
            ),
            GateSpec(rule="at-least", grader="close", at_least=0.5),
            GateSpec(rule="measured", at_least=0.9),
        ),
    )
    assert suite.primary.name == "close"


def test_a_small_suite_has_defaults() -> None:
    """Named as its file; its first grader is primary and named as its type; two gates by themselves."""
    (suite, items), faults = read(SMALL)

    assert faults == []
    assert (suite.name, suite.epochs, suite.timezone) == ("night", 1, None)
    assert items == SuiteItems(file="items.jsonl")
    assert suite.subjects == (Subject(name="", model="grok-4.3"),)
    assert suite.graders == (GraderSpec(name="exact", type="exact", is_primary=True),)
    assert suite.gates == (
        GateSpec(rule="no-drop", grader="exact", false_alarm_nights=90),
        GateSpec(rule="measured", at_least=0.98),
    )


def test_a_gate_on_measured_answers_alone_adds_to_the_default() -> None:
    """It says nothing of scores; a gate on a score takes the place of the default one."""
    (suite, _), _ = read(SMALL + '[[gate]]\nrule = "measured"\nat_least = 0.5')
    assert [(gate.rule, gate.at_least) for gate in suite.gates] == [("no-drop", None), ("measured", 0.5)]

    (suite, _), _ = read(SMALL + '[[gate]]\nrule = "at-least"\nat_least = 0.5')
    assert [gate.rule for gate in suite.gates] == ["at-least", "measured"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("itms = 'x'", 'itms: this key does not exist; did you mean "items"?'),
        ("model = 'x'", "model: this key does not exist; it belongs to [subject]"),
        ("x = 1", "x: this key does not exist; use one of: name, items, epochs, timezone, subject,"),
        ("epochs = 0", "epochs: must be a whole number from 1 to 100, not a whole number (0);"),
        ("epochs = 101", "epochs: must be a whole number from 1 to 100"),
        ("epochs = true", "epochs: must be a whole number from 1 to 100, not true or false;"),
        ("name = 'a@b'", 'name: "a@b" is no name of a suite: it has @ or /,'),
        ("name = '12'", 'name: "12" is no name of a suite: it is a number,'),
        ("name = '-x'", 'name: "-x" is no name of a suite'),
        ('name = "a\\u001bb"', "name: "),
        ("name = ''", "name: is empty;"),
        ("", 'items: is missing; write items = "items.jsonl"'),
        ("items = 3", "items: must be a table;"),
        ("items = {}", "items.file: is missing;"),
        (
            "items = { file = 'x', inptu = 'y' }",
            'items.inptu: this key does not exist; did you mean "input"?',
        ),
        ("items = { file = 'x', form = 'hf' }", 'items.form: there is no form "hf"; use one of: jobs,'),
        ("items = { file = 'x', gold = 'y' }", "items.gold: must be a table;"),
        ("", "subject: is missing;"),
        ("subject = []", "subject: is missing;"),
        ("subject = [1]", "subject: must be tables; write [[subject]]"),
        ("[subject]", "subject.model: is missing;"),
        ("[subject]\nmodel = 3", "subject.model: must be a text, not a whole number (3);"),
        ("[[subject]]\nmodel = 'm'\n[[subject]]\nmodel = 'm'", "subject.2.name: is missing;"),
        ("[[subject]]\nname = 'a/b'", "subject.name: must be printable, of at most 64 characters and"),
        ("[[subject]]\nname = 'a'\n[[subject]]\nname = 'a'", 'subject.2.name: "a" is there already;'),
        ("[subject.body]\nmodel = 'x'", "subject.body.model: this field is not for [subject.body];"),
        ("[subject.body]\nprompt = 'x'", "subject.body.prompt: this field is not for [subject.body];"),
        ("[subject.body]\nx = 1979-05-27", "subject.body.x: JSON has no a date or time;"),
        ("", "grader: is missing;"),
        ("[[grader]]\nname = 'a'", "grader.type: is missing;"),
        (
            "[[grader]]\ntype = 'exact'\n[[grader]]\ntype = 'exact'",
            'grader.2.name: "exact" is there already;',
        ),
        ("[[grader]]\ntype = 'a'\nx = inf", "grader.x: JSON has no a number (inf);"),
        (
            "[[grader]]\ntype = 'a'\nprimary = true\n[[grader]]\ntype = 'b'\nprimary = true",
            "grader.2.primary: there is a primary grader already;",
        ),
        ("[[gate]]\nrule = 'drop'", 'gate.rule: there is no rule "drop"; use one of: no-drop, no-worse,'),
        (
            "[[gate]]\ngrader = 'x'\n[[grader]]\nname = 'y'",
            'gate.grader: there is no grader "x"; use one of: y',
        ),
        ("[[gate]]\nalarms = 3", "gate.alarms: this key does not exist; "),
        ("[[gate]]\nfalse_alarms = '5 %'", "gate.false_alarms: must be 1 in so many nights, at least 2;"),
        ("[[gate]]\nfalse_alarms = '1 in 1 nights'", "gate.false_alarms: must be 1 in so many nights"),
        ("[[gate]]\nbaseline = 'last'", "gate.baseline: must be rolling:N, N from 3 to 14, or pinned:NAME;"),
        ("[[gate]]\nbaseline = 'rolling:2'", "gate.baseline: must be rolling:N"),
        ("[[gate]]\nbaseline = 'rolling:15'", "gate.baseline: must be rolling:N"),
        ("[[gate]]\nrule = 'no-worse'", "gate.by: is missing; write by = 2 for 2 points at most"),
        ("[[gate]]\nrule = 'at-least'", "gate.at_least: is missing;"),
        ("[[gate]]\nrule = 'at-least'\nat_least = 80", "gate.at_least: must be a number from 0 to 1,"),
        (
            "[[gate]]\nrule = 'measured'\nby = 2",
            "gate.by: a gate measured has no such key; remove it; it has:",
        ),
        ("[[gate]]\n[[gate]]", "gate.2.rule: there is this gate already;"),
    ],
)
def test_a_fault_is_named_by_its_key(text: str, fault: str) -> None:
    """With why and how to mend it."""
    _, faults = read(text)

    assert [found for found in faults if found.startswith(fault)], faults


def test_all_faults_are_found_at_once() -> None:
    """Not one a run."""
    _, faults = read("epochs = 0\nitms = 1\n[subject]\nmodel = 3\n[[grader]]\n[[gate]]\nrule = 'x'")

    keys = [fault.partition(":")[0] for fault in faults]
    assert sorted(keys) == ["epochs", "gate.rule", "grader.type", "items", "itms", "subject.model"]


JSON = st.recursive(
    st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
TABLES = st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=4)


@given(TABLES, TABLES, st.text(st.characters(codec="utf-8")))
def test_a_suite_is_the_same_after_it_was_kept(
    body: dict[str, Any], options: dict[str, Any], word: str
) -> None:
    """Reading its JSON gives it again, with the order of its body; the same suite gives the same bytes."""
    suite = Suite(
        name=word,
        subjects=(Subject(name="a", model="m", system=word, body=body), Subject(name="b", model="n")),
        graders=(GraderSpec(name="g", type="exact", options=options, is_primary=True),),
        gates=(GateSpec(rule="no-drop", grader="g"), GateSpec(rule="measured", at_least=0.98)),
    )
    kept = encode_suite(suite)
    found = decode_suite(kept)

    assert found == suite
    assert list(found.subjects[0].body) == list(body)
    assert encode_suite(found) == kept


def test_the_hash_of_a_prompt_is_of_texts_and_fields() -> None:
    """Not of the model, which is told apart, nor of the variant's name."""
    one = Subject(name="a", model="m", system="s", body={"temperature": 0})

    assert prompt_sha256(one) == prompt_sha256(
        Subject(name="b", model="n", system="s", body={"temperature": 0})
    )
    others = (
        Subject(model="m", system="t", body={"temperature": 0}),
        Subject(model="m", user="s", body={"temperature": 0}),
        Subject(model="m", system="s", body={"temperature": 1}),
    )
    assert prompt_sha256(one) not in {prompt_sha256(other) for other in others}
