"""The short language for labels: what each form means, and where each fault is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.errors import UsageError
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.label_language import LabelFault, parse_labels

TOPICS = [("billing", "invoices and payments"), (" shipping ", None)]


def read_values(name: str) -> list[tuple[str, str | None]]:
    """Return the values of the files that these tests know."""
    if name == "missing.csv":
        raise UsageError("missing.csv is not there", fix="name another file")
    files: dict[str, list[tuple[str, str | None]]] = {
        "topics.csv": TOPICS,
        "bare.csv": [("a", None), ("b", "")],
        "one.csv": [("a", None)],
        "none.csv": [],
        "twice.csv": [("a", "x"), ("b", "y"), ("a ", "z")],
        "gap.csv": [("a", None), (" ", None)],
    }
    return files[name]


def field(name: str, kind: LabelKind, **other: Any) -> LabelField:
    return LabelField(name=name, kind=kind, path=(name,), **other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s: a|b", field("s", LabelKind.TEXT, values=("a", "b"))),
        ("s : very good | bad ", field("s", LabelKind.TEXT, values=("very good", "bad"))),
        ("s: 5:1|[x]", field("s", LabelKind.TEXT, values=("5:1", "[x]"))),
        ("s: (a) one|two (b)", field("s", LabelKind.TEXT, values=("(a) one", "two (b)"))),
        ("s: 'a' or 'b'|c", field("s", LabelKind.TEXT, values=("'a' or 'b'", "c"))),
        ("s: red, blue|green", field("s", LabelKind.TEXT, values=("red, blue", "green"))),
        ("s: yes|no", field("s", LabelKind.TEXT, values=("yes", "no"))),
        ("stars: 1..5", field("stars", LabelKind.INTEGER, low=1, high=5)),
        ("stars: -5 .. +5", field("stars", LabelKind.INTEGER, low=-5, high=5)),
        ("score: 0.0..1", field("score", LabelKind.NUMBER, low=0.0, high=1.0)),
        ("topics: [price|quality]", field("topics", LabelKind.LIST, values=("price", "quality"))),
        ("topics: [price]", field("topics", LabelKind.LIST, values=("price",))),
        ("topics: [ text ]", field("topics", LabelKind.LIST)),
        ("urgent: yes/no", field("urgent", LabelKind.BOOLEAN)),
        ("urgent: Yes/No", field("urgent", LabelKind.BOOLEAN)),
        ("note: text", field("note", LabelKind.TEXT)),
        ("n: integer", field("n", LabelKind.INTEGER)),
        ("n: number", field("n", LabelKind.NUMBER)),
        ("n?: number", field("n", LabelKind.NUMBER, is_nullable=True)),
        ("n ?: a|b", field("n", LabelKind.TEXT, values=("a", "b"), is_nullable=True)),
        ("größe_2: text", field("größe_2", LabelKind.TEXT)),
        (
            "topic: @topics.csv",
            field(
                "topic",
                LabelKind.TEXT,
                values=("billing", "shipping"),
                descriptions=("invoices and payments", None),
            ),
        ),
        ("topic: [@ bare.csv]", field("topic", LabelKind.LIST, values=("a", "b"))),
    ],
)
def test_each_form_has_its_field(text: str, expected: LabelField) -> None:
    """One field alone; spaces around names, bars and bounds do not count."""
    assert parse_labels(text, read_values) == ([expected], [])


def test_fields_come_in_order_by_line_or_semicolon() -> None:
    """Empty lines and a separator at the end are no fields."""
    fields, faults = parse_labels("b: a|b; a: text;\n\n  c?: 1..2  ;\n", read_values)

    assert [one.name for one in fields] == ["b", "a", "c"]
    assert faults == []


@pytest.mark.parametrize(
    ("text", "column", "name", "reason", "fix"),
    [
        ("", 1, "labels", "no field", "sentiment: positive|negative"),
        (" ;\n", 1, "labels", "no field", "write one"),
        ("sentiment", 1, "sentiment", "type is missing", "name: type"),
        ("a: text; b:", 11, "b", "type is missing", "after the colon"),
        (": text", 1, "labels", "name is missing", "name: type"),
        ("_status: text", 1, "_status", "cannot begin with _", "_status"),
        ("my field: text", 1, "my field", "no name", "letters, digits and _"),
        ("a-b: text", 1, "a-b", "no name", "letters"),
        ("a: text; a: 1..2", 10, "a", "twice", "rename"),
        ("s: a||b", 6, "s", "empty", "remove a |"),
        ("s: a|b|", 8, "s", "empty", "remove a |"),
        ("s: a|b| a", 9, "s", '"a" is there twice', "remove one"),
        ("t: []", 5, "t", "empty", "write it"),
        ("t: [a|b", 4, "t", "not closed", "]"),
        ("s: good", 4, "s", '"good" is no type', "a|b|c"),
        ("s: texts", 4, "s", "no type", "did you mean text?"),
        ("s: bool", 4, "s", "no type", "did you mean yes/no?"),
        ("s: list", 4, "s", "no type", "did you mean [a|b|c]?"),
        ("s: 1-5", 4, "s", "no type", "did you mean 1..5?"),
        ("s: 1 to 5", 4, "s", "no type", "did you mean 1..5?"),
        ("s: 1...5", 4, "s", "no type", "did you mean 1..5?"),
        ("s: 1..5 stars", 4, "s", "no type", "did you mean 1..5?"),
        ("s: 1..5?", 4, "s", "no type", '"NAME?: TYPE"'),
        ("s: yes", 4, "s", '"yes" is no type', "did you mean yes/no?"),
        ("s: good, bad", 4, "s", '"good, bad" is no type', "did you mean good|bad?"),
        ("s: good/bad/so so", 4, "s", "no type", "did you mean good|bad|so so?"),
        ("s: good or bad", 4, "s", "no type", "did you mean good|bad?"),
        ("s: enum(good, bad)", 4, "s", "no type", "did you mean good|bad?"),
        ("s: one..five", 4, "s", "no type", "write a|b|c"),
        ("s: (good|bad)", 4, "s", "the values have ) at their end", "[good|bad]"),
        ("s: {good|bad}", 4, "s", "the values have } at their end", "write them without it"),
        ("s: good|bad]", 4, "s", "the values have ] at their end", "for a list of them [good|bad]"),
        ("s: 'good'|'bad'", 4, "s", "quotes around them", "write good|bad"),
        ('t: ["good"|"bad"]', 5, "t", "quotes around them", "write good|bad"),
        ("s: good|bad, stars: 1..5", 12, "s", 'a value has ", stars:" in it', 'with "; stars:"'),
        ("s: 1..1", 4, "s", "one value only", "two bounds"),
        ("s: 1.0..1", 4, "s", "one value only", "two bounds"),
        ("s: 5..1", 4, "s", "begins above its end", "1..5"),
        ("s: 1..1000000000000000", 4, "s", "15 digits", "integer"),
        ("s: @", 4, "s", "name of a file is missing", "@FILE.csv"),
        ("s: @missing.csv", 4, "s", "missing.csv is not there", "another file"),
        ("s: @one.csv", 4, "s", "one value only", "at least two"),
        ("s: @none.csv", 4, "s", "no value", "at least two"),
        ("s: @twice.csv", 4, "s", 'twice.csv, value 3: the value "a" is there twice', "correct the file"),
        ("s: [@gap.csv]", 5, "s", "gap.csv, value 2: a value is empty", "correct the file"),
        ("s: a|\udcff", 6, "s", "not UTF-8", "UTF-8"),
        ("\udcff: a|b", 1, "\ufffd", "no name", "letters"),
    ],
)
def test_each_fault_names_its_place_field_reason_and_fix(
    text: str, column: int, name: str, reason: str, fix: str
) -> None:
    """Columns count characters from 1."""
    (fault,) = parse_labels(text, read_values).faults

    assert (fault.line, fault.column, fault.field) == (1, column, name)
    assert reason in fault.reason
    assert fix in fault.fix


def test_every_fault_is_found_at_once() -> None:
    """With line and column each; on the first line the column is enough."""
    faults = [str(fault) for fault in parse_labels("a: x\nb: 1..2\n  c: 5..1", read_values).faults]

    assert [fault.partition(": ")[0] for fault in faults] == ["column 4", "line 3, column 6"]
    assert faults[1] == "line 3, column 6: c: 5..1 begins above its end; write 1..5"


def test_labels_without_a_fault_are_returned() -> None:
    """In their order."""
    assert parse_labels("n: text", read_values).fields == [field("n", LabelKind.TEXT)]


@given(st.text(alphabet=st.sampled_from("ab_ :;|[]?.5@-\n\udcff"), max_size=30))
def test_any_text_leads_to_fields_or_to_faults_within_it(text: str) -> None:
    """Nothing else is raised, and each place is one of the text."""

    def read_none(_name: str) -> list[tuple[str, str | None]]:
        return []

    fields, faults = parse_labels(text, read_none)
    lines = text.split("\n")

    assert fields or faults
    assert all(_is_within(fault, lines) for fault in faults)
    assert len({one.name for one in fields}) == len(fields)


def _is_within(fault: LabelFault, lines: list[str]) -> bool:
    return 1 <= fault.line <= len(lines) and 1 <= fault.column <= len(lines[fault.line - 1]) + 1
