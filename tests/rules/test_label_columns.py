"""The columns of a user's schema, its closed form, and what is said of a schema that cannot be used."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.rules.errors import UsageError
from runner.rules.labels.label_columns import closed_schema, fields_of_schema, without_outer_reference
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.label_schema import read_label_schema

TEXT = {"type": "string"}
NULL = {"type": "null"}


def columns(described: object, **other: Any) -> list[LabelField]:
    """Return the columns of an object whose one property, required, is `a`."""
    return fields_of_schema({"type": "object", "properties": {"a": described}, "required": ["a"], **other})


@pytest.mark.parametrize(
    ("described", "kind", "values", "is_nullable"),
    [
        (TEXT, LabelKind.TEXT, None, False),
        ({"type": "string", "enum": ["x", "y"]}, LabelKind.TEXT, ("x", "y"), False),
        ({"enum": ["x", "y"]}, LabelKind.TEXT, ("x", "y"), False),
        ({"enum": ["x", None]}, LabelKind.TEXT, ("x",), True),
        ({"type": ["string", "null"], "enum": ["x", "y", None]}, LabelKind.TEXT, ("x", "y"), True),
        ({"const": "x"}, LabelKind.TEXT, ("x",), False),
        ({"type": ["string", "null"]}, LabelKind.TEXT, None, True),
        ({"anyOf": [TEXT, NULL]}, LabelKind.TEXT, None, True),
        ({"anyOf": [NULL, {"enum": ["x", "y"]}]}, LabelKind.TEXT, ("x", "y"), True),
        ({"oneOf": [TEXT, NULL]}, LabelKind.TEXT, None, True),
        ({"allOf": [{"$ref": "#/$defs/s"}], "default": "x"}, LabelKind.TEXT, ("x", "y"), False),
        ({"$ref": "#/$defs/s"}, LabelKind.TEXT, ("x", "y"), False),
        ({"anyOf": [{"$ref": "#/$defs/s"}, NULL]}, LabelKind.TEXT, ("x", "y"), True),
        ({"$ref": "#/$defs/n"}, LabelKind.TEXT, None, True),
        ({"type": "integer"}, LabelKind.INTEGER, None, False),
        ({"enum": [1, 2]}, LabelKind.INTEGER, None, False),
        ({"type": "number"}, LabelKind.NUMBER, None, False),
        ({"type": "boolean"}, LabelKind.BOOLEAN, None, False),
        ({"type": "array", "items": TEXT}, LabelKind.LIST, None, False),
        ({"type": "array", "items": {"$ref": "#/$defs/s"}}, LabelKind.LIST, ("x", "y"), False),
        ({"type": "array", "items": {"type": "integer"}}, LabelKind.JSON, None, False),
        ({"type": "array", "items": {"anyOf": [TEXT, NULL]}}, LabelKind.JSON, None, False),
        ({"type": "array", "prefixItems": [TEXT], "items": TEXT}, LabelKind.JSON, None, False),
        ({"type": "array"}, LabelKind.JSON, None, False),
        ({"type": ["string", "integer"]}, LabelKind.JSON, None, False),
        ({"anyOf": [TEXT, {"type": "integer"}]}, LabelKind.JSON, None, False),
        ({"enum": ["x", 1]}, LabelKind.JSON, None, False),
        ({}, LabelKind.JSON, None, False),
        ({"type": "object"}, LabelKind.JSON, None, False),
        (
            {"type": "object", "properties": {"b": TEXT}, "additionalProperties": TEXT},
            LabelKind.JSON,
            None,
            False,
        ),
        (
            {"type": "object", "properties": {"b": TEXT}, "patternProperties": {"^x": TEXT}},
            LabelKind.JSON,
            None,
            False,
        ),
        ({"$ref": "#/$defs/nothing"}, LabelKind.JSON, None, False),
    ],
)
def test_each_property_is_a_column(
    described: object, kind: LabelKind, values: tuple[str, ...] | None, is_nullable: bool
) -> None:
    """The kind is that of the schema, null left out; what has none is JSON."""
    definitions = {"s": {"type": "string", "enum": ["x", "y"]}, "n": {"anyOf": [TEXT, NULL]}}
    (column,) = columns(described, **{"$defs": definitions})

    assert (column.name, column.path) == ("a", ("a",))
    assert (column.kind, column.values, column.is_nullable) == (kind, values, is_nullable)


def test_bounds_are_those_of_the_schema() -> None:
    """Both included."""
    (column,) = columns({"type": "integer", "minimum": 1, "maximum": 5})

    assert (column.low, column.high) == (1, 5)


def test_objects_become_columns_three_names_deep() -> None:
    """What is deeper is JSON; a column may be null where an object above it may be missing."""
    deep = {"type": "object", "properties": {"e": TEXT}, "required": ["e"]}
    inner = {"properties": {"c": TEXT, "d": deep}, "required": ["c", "d"]}
    outer = {"properties": {"b": inner, "x": {"type": "integer"}}, "required": ["b"]}

    assert [(one.name, one.path, one.kind, one.is_nullable) for one in columns(outer)] == [
        ("a.b.c", ("a", "b", "c"), LabelKind.TEXT, False),
        ("a.b.d", ("a", "b", "d"), LabelKind.JSON, False),
        ("a.x", ("a", "x"), LabelKind.INTEGER, True),
    ]
    assert all(one.is_nullable for one in columns({"anyOf": [outer, NULL]}))


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({}, "no label"),
        ({"type": "array", "items": TEXT}, "no label"),
        ({"type": "object", "properties": {}}, "no label"),
        ({"properties": {"_status": TEXT}}, '"_status" of the schema begins with _'),
        (
            {"properties": {"a": {"properties": {"b": TEXT}}, "a.b": TEXT}},
            'two columns "a.b"',
        ),
    ],
)
def test_a_schema_without_good_columns_is_refused(schema: dict[str, Any], what: str) -> None:
    """With what to do."""
    with pytest.raises(UsageError) as caught:
        fields_of_schema(schema)

    assert what in caught.value.what
    assert caught.value.fix


def test_objects_are_closed_where_the_api_closes_them() -> None:
    """Not those that say themselves what else they have, and no map of properties by that name."""
    schema = {
        "properties": {
            "properties": {"type": "object", "properties": {"x": TEXT}},
            "open": {"type": "object", "properties": {"x": TEXT}, "additionalProperties": TEXT},
            "any": {"type": "object"},
        },
        "$defs": {"d": {"properties": {"y": {"const": {"properties": {}}}}}},
    }
    closed = closed_schema(schema)

    assert closed == {
        "properties": {
            "properties": {"type": "object", "properties": {"x": TEXT}, "additionalProperties": False},
            "open": {"type": "object", "properties": {"x": TEXT}, "additionalProperties": TEXT},
            "any": {"type": "object"},
        },
        "$defs": {"d": {"properties": {"y": {"const": {"properties": {}}}}, "additionalProperties": False}},
        "additionalProperties": False,
    }
    assert "additionalProperties" not in schema


@pytest.mark.parametrize("combining", [{"allOf": [TEXT]}, {"not": TEXT}, {"if": TEXT}])
def test_a_schema_that_combines_schemas_stays_as_it_is(combining: dict[str, Any]) -> None:
    """Objects that are closed each for itself may fit nothing together."""
    schema = {"properties": {"a": {"items": combining}}}

    assert closed_schema(schema) == schema


def test_a_schema_file_becomes_what_is_sent() -> None:
    """Closed, its columns, and the warnings of what the API reads otherwise."""
    raw = b'{"properties": {"a": {"type": "string", "pattern": "x"}}, "required": ["a"]}'
    read = read_label_schema(raw, "label.json")

    assert json.loads(read.schema) == {**json.loads(raw), "additionalProperties": False}
    assert [one.name for one in read.fields] == ["a"]
    assert [problem.code for problem in read.warnings] == ["schema-differs"]


@pytest.mark.parametrize("with_another", [False, True])
def test_a_schema_that_is_one_reference_is_the_definition(with_another: bool) -> None:
    """As msgspec and others write it; the other definitions stay, and so does one that is used again."""
    review = {"type": "object", "properties": {"mood": {"$ref": "#/$defs/Mood"}}, "required": ["mood"]}
    mood: dict[str, Any] = {"enum": ["good", "bad"]}
    if with_another:
        mood = {"anyOf": [{"enum": ["good"]}, {"$ref": "#/$defs/Review"}]}
    schema = {"$ref": "#/$defs/Review", "$defs": {"Mood": mood, "Review": review}}

    kept = {"Mood": mood, "Review": review} if with_another else {"Mood": mood}
    assert without_outer_reference(schema) == {**review, "$defs": kept}
    assert without_outer_reference(review) is review
    assert without_outer_reference({"$ref": "#/$defs/None"}) == {"$ref": "#/$defs/None"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"properties": {"a": {"type": "string"}}', "label.json is no JSON schema (character "),
        (b"[]", "label.json is no JSON schema (character 1): it is JSON, but not an object"),
        (b"label: text", "label.json is no JSON schema (character 1): it is not valid JSON there"),
        (b'{"properties": {"a": true}}', 'properties/a (character 22): the property "a" is true'),
        (b'{"properties": {"a": {"$ref": "#"}}}', "leads back to itself"),
        (b'{"type": "objekt"}', "it is no JSON schema: type"),
        (b"{}", "the schema has no label"),
    ],
)
def test_a_schema_file_that_cannot_be_used_is_refused(raw: bytes, said: str) -> None:
    """What is wrong, and where in the file."""
    with pytest.raises(UsageError) as caught:
        read_label_schema(raw, "label.json")

    assert said in "\n".join([caught.value.what, *caught.value.where])
    assert caught.value.fix


def test_a_file_of_code_is_answered_with_how_a_class_is_named() -> None:
    """Not with how a schema looks."""
    with pytest.raises(UsageError) as caught:
        read_label_schema(b"import enum\n", "forms/reviews.py")

    assert caught.value.fix.startswith("to use a class of it, write module:Class")
