"""Schemas that xAI does not support are refused, over HTTP and for tools as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_thread import SimulatorThread

from runner.simulator.schema_checks import schema_error

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = {"type": "string"}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}

REFUSED: list[tuple[str, Any, str]] = [
    ("an empty enum", {"enum": []}, "#/enum: at least one variant"),
    ("an empty anyOf", {"properties": {"a": {"anyOf": []}}}, "#/properties/a/anyOf: at least one"),
    ("an empty oneOf", {"items": {"oneOf": []}}, "#/items/oneOf: at least one"),
    ("a property of true", {"properties": {"a": True}}, "#/properties/a: a boolean"),
    ("a property of false", {"allOf": [{"properties": {"a": TEXT, "b": False}}]}, "#/allOf/0/properties/b"),
    ("minContains", {"contains": TEXT, "minContains": 0}, "#/minContains: this keyword"),
    ("maxContains", {"not": {"maxContains": 2}}, "#/not/maxContains: this keyword"),
    ("a list of items", {"type": "array", "items": [TEXT]}, "#/items: a list"),
    ("an empty list of items", {"type": "array", "items": []}, "#/items: a list"),
    ("a reference to the root", {"properties": {"a": {"$ref": "#"}}}, "#/properties/a/$ref: circular"),
    ("a reference to itself", {"$ref": "#"}, "#/$ref: circular"),
    ("a tree", {"$defs": {"node": NODE}, "$ref": "#/$defs/node"}, "circular references"),
    (
        "a circle of two",
        {"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"items": {"$ref": "#/definitions/a"}}}},
        "circular references",
    ),
    ("a fault in what is referred to", {"$defs": {"x": {"enum": []}}, "$ref": "#/$defs/x"}, "#/$defs/x/enum"),
    ("no schema at all", {"type": "thing"}, "'thing' is not valid"),
    ("a keyword of the wrong type", {"properties": [TEXT]}, "is not of type 'object'"),
]
ACCEPTED: list[tuple[str, Any]] = [
    ("an array that contains", {"type": "array", "contains": TEXT}),
    ("prefixItems and no more items", {"prefixItems": [TEXT], "items": False}),
    ("additional properties", {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True}),
    (
        "a definition used twice",
        {"$defs": {"t": TEXT}, "properties": {"a": {"$ref": "#/$defs/t"}, "b": {"$ref": "#/$defs/t"}}},
    ),
    (
        "a chain of definitions",
        {
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/c"}}, "c": TEXT},
            "$ref": "#/$defs/a",
        },
    ),
    ("keywords as names and values", {"properties": {"enum": {"const": {"anyOf": [], "minContains": 1}}}}),
    ("a property that is called items", {"properties": {"items": {"enum": [[]]}, "$ref": TEXT}}),
    ("best effort", {"not": TEXT, "allOf": [{"minLength": 1}, {"maxLength": 9}], "if": TEXT}),
    ("a reference to another document", {"$ref": "https://example.com/x.json"}),
    ("definitions of Draft-07", {"definitions": {"t": TEXT}, "items": {"$ref": "#/definitions/t"}}),
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread() as simulator:
        yield simulator


def carriers(schema: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the two ways a schema is sent, each with the place that an error names."""
    tool = {"type": "function", "function": {"name": "look", "parameters": schema}}
    format_of = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return [
        ("response_format.json_schema.schema", {"response_format": format_of}),
        ("tools[0].function.parameters", {"tools": [tool]}),
    ]


@pytest.mark.parametrize(("schema", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_not_supported_is_refused(simulator: SimulatorThread, schema: Any, words: str) -> None:
    """400 with the place in the request and in the schema; nothing is accepted."""
    before = simulator.books()["accepted"]
    for place, fields in carriers(schema):
        reply = simulator.submit(**fields)
        assert (reply.status, reply.json["code"]) == (400, "invalid-argument")
        assert reply.json["error"].startswith(f"Invalid JSON schema at {place}: ")
        assert words in reply.json["error"]
    assert simulator.books()["accepted"] == before


@pytest.mark.parametrize("schema", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_what_is_supported_is_answered(simulator: SimulatorThread, schema: Any) -> None:
    """Both as an answer and as the arguments of a tool."""
    for _, fields in carriers(schema):
        assert simulator.completion(**fields)["choices"]


def test_many_uses_of_a_definition_are_walked_once() -> None:
    """Each level refers twice to the next: walked again at each use, this would take hours."""
    levels = {
        f"l{at}": {"prefixItems": [{"$ref": f"#/$defs/l{at + 1}"}, {"$ref": f"#/$defs/l{at + 1}"}]}
        for at in range(60)
    }
    schema = {"$defs": levels | {"l60": {"enum": []}}, "$ref": "#/$defs/l0"}
    assert "/enum: at least one variant" in schema_error(_json(schema))
    assert schema_error(_json(schema | {"$defs": levels | {"l60": TEXT}})) == ""


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from(["#", "#/$defs/a", "string"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["$ref", "$defs", "a", "items", "anyOf", "enum", "properties", "allOf", "not"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["$ref", "$defs", "items", "anyOf", "properties", "not"]), ANYTHING))
def test_any_json_is_accepted_or_refused_with_words(schema: Any) -> None:
    """No schema makes the check fail, however odd."""
    assert isinstance(schema_error(_json(schema)), str)


def _json(schema: Any) -> bytes:
    import orjson

    return orjson.dumps(schema)
