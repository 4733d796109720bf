"""The graders json, schema, field and fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from graded import graded, grader_spec
from hypothesis import given
from hypothesis import strategies as st

SCHEMA = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}, "required": ["mood"]}


@pytest.mark.parametrize(
    ("answer", "value", "label"),
    [
        ('{"a": 1}', 1, ""),
        ('```json\n{"a": 1}\n```', 1, "fence"),
        ('Here it is: {"a": 1}', 1, "prose"),
        ("[1, 2]", 0, "no JSON object"),
        ("3", 0, "no JSON object"),
        ('{"a": 1, "a": 2}', 0, "no JSON object"),
        ('{"a": NaN}', 0, "no JSON object"),
        ('{"a": 1', 0, "no JSON object"),
        ('{"a": 1} {"a": 2}', 0, "no JSON object"),
        ("", 0, "no JSON object"),
        ("[" * 100_000, 0, "no JSON object"),
    ],
)
def test_json_is_an_object_that_can_be_read_in_one_way(answer: str, value: int, label: str) -> None:
    """The label says how it was found."""
    grade = graded(grader_spec("json"), None, answer)

    assert (grade.value, grade.label) == (value, label)


def test_without_repairs_the_answer_is_the_object_and_nothing_else() -> None:
    assert graded(grader_spec("json", repairs=False), None, '```\n{"a": 1}\n```').value == 0
    assert graded(grader_spec("json", repairs=False), None, ' {"a": 1}\n').value == 1


@pytest.mark.parametrize("schema", [SCHEMA, '{"type": "object", "required": ["mood"]}'])
def test_an_answer_fits_the_schema_or_does_not(schema: Any) -> None:
    """The schema is a table, or JSON as text."""
    spec = grader_spec("schema", schema=schema)

    assert graded(spec, None, '{"mood": "good"}').value == 1
    assert graded(spec, None, '{"mod": "good"}') == (0, "does not fit", None)
    assert graded(spec, None, "good") == (0, "no JSON object", None)


@pytest.mark.parametrize(
    ("target", "found", "value"),
    [
        ("good", '"good"', 1),
        ("good", '" GOOD"', 1),
        ("good", '"bad"', 0),
        (3, "3", 1),
        (3, "3.0", 1),
        (3, '"3"', 0),
        ("3", "3", 1),
        ("3.50", "3.5", 1),
        ("true", "true", 1),
        ("True", "false", 0),
        (True, "true", 1),
        (True, "1", 0),
        (1, "true", 0),
        (None, "null", 1),
        (None, "0", 0),
        (["a", "b"], '["b", "a"]', 1),
        (["a", "b"], '["a"]', 0),
        (["a", "a"], '["a"]', 0),
        ([1, 2.5], "[2.5, 1.0]", 1),
        ([{"x": 1, "y": 2}], '[{"y": 2.0, "x": 1}]', 1),
        ({"x": {"y": 1}}, '{"x": {"y": 1}}', 1),
        ({"x": 1}, '{"x": 1, "y": 2}', 0),
    ],
)
def test_fields_are_equal_as_json_values_are(target: Any, found: str, value: int) -> None:
    """A target of a table is text, and equals the number or the true that it is written as."""
    assert graded(grader_spec("field", field="f"), {"f": target}, f'{{"f": {found}}}').value == value


def test_lists_are_compared_in_order_where_the_suite_says_so() -> None:
    spec = grader_spec("field", field="f", ordered=True)

    assert graded(spec, {"f": ["a", "b"]}, '{"f": ["b", "a"]}').value == 0
    assert graded(spec, {"f": ["a", "b"]}, '{"f": ["a", "b"]}').value == 1


def test_a_field_may_be_within_an_object() -> None:
    """Where the target is no object, it is the value itself."""
    spec = grader_spec("field", field="a.b")

    assert graded(spec, {"a": {"b": 1}}, '{"a": {"b": 1}}').value == 1
    assert graded(spec, "good", '{"a": {"b": "good"}}') == (1, "good", None)
    assert graded(spec, "good", '{"a": 3}').value == 0
    assert graded(spec, {"a": 1}, '{"a": {"b": 1}}').reason == "the target has no field a.b"


def test_the_score_of_fields_is_the_share_that_is_right() -> None:
    """The label names the others; a field that is missing is null."""
    target = {"mood": "good", "stars": 4, "urgent": False, "note": None}

    assert graded(grader_spec("fields"), target, '{"mood": "good", "stars": 4, "urgent": false}').value == 1
    half = graded(grader_spec("fields"), target, '{"mood": "bad", "stars": 4, "urgent": 0}')
    assert (half.value, half.label) == (0.5, "wrong: mood, urgent")
    assert graded(grader_spec("fields", fields=["mood", "stars"]), target, '{"stars": 4}').value == 0.5
    assert graded(grader_spec("fields", fields=["mood"]), target, '{"stars": 4}').value == 0
    assert graded(grader_spec("fields"), target, "good").value == 0


@pytest.mark.parametrize("target", [None, "good", ["a"], {}])
def test_fields_without_a_target_object_grade_nothing(target: Any) -> None:
    assert graded(grader_spec("fields"), target, '{"a": 1}').value is None


def test_a_field_without_a_target_grades_nothing() -> None:
    assert graded(grader_spec("field", field="a"), None, '{"a": 1}').value is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(target=st.dictionaries(st.text(min_size=1, max_size=4), VALUES, min_size=1, max_size=4))
def test_a_target_object_is_right_as_an_answer(target: dict[str, Any]) -> None:
    """Whatever is in it."""
    answer = json.dumps(target)
    name = next(iter(target))

    assert graded(grader_spec("fields"), target, answer).value == 1
    if "." not in name and name.strip():
        assert graded(grader_spec("field", field=name), target, answer).value == 1
