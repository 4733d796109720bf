"""What xAI refuses in a schema and what it reads otherwise, each with its spot."""

from __future__ import annotations

from typing import Any

import pytest

from runner.rules.requests.schemas import schema_problems
from runner.rules.requests.xai_schema import differences, refusals

TEXT = {"type": "string"}


def within(schema: object) -> dict[str, Any]:
    """Return an object with one property."""
    return {"type": "object", "properties": {"a": schema}}


A = ("properties", "a")


@pytest.mark.parametrize(
    ("schema", "path", "reason", "fix"),
    [
        (within({"enum": []}), (*A, "enum"), "enum is empty", "give enum a value"),
        (within({"anyOf": []}), (*A, "anyOf"), "anyOf is empty", "give anyOf"),
        (within({"oneOf": []}), (*A, "oneOf"), "oneOf is empty", "remove it"),
        (within(True), A, 'the property "a" is true', "its type"),
        (within(False), A, 'the property "a" is false', "its type"),
        (within({"type": "array", "minContains": 1}), (*A, "minContains"), "minContains", "remove"),
        (within({"type": "array", "maxContains": 1}), (*A, "maxContains"), "maxContains", "remove"),
        (within({"items": [TEXT]}), (*A, "items"), "items is a list", "prefixItems"),
        ({"$defs": {"b": within(True)}}, ("$defs", "b", *A), "is true", "its type"),
        ({"anyOf": [TEXT, within({"enum": []})]}, ("anyOf", 1, *A, "enum"), "enum is empty", "enum"),
        (within({"items": {"items": {"enum": []}}}), (*A, "items", "items", "enum"), "enum", "enum"),
        (within({"$ref": "#"}), (), "the reference # leads back to itself", "write the levels out"),
        (
            {**within({"$ref": "#/$defs/x"}), "$defs": {"x": within({"$ref": "#/$defs/x"})}},
            (),
            "#/$defs/x leads back",
            "levels",
        ),
        (
            {
                **within({"$ref": "#/$defs/x"}),
                "$defs": {"x": {"items": {"$ref": "#/$defs/y"}}, "y": {"anyOf": [{"$ref": "#/$defs/x"}]}},
            },
            (),
            "leads back to itself",
            "levels",
        ),
    ],
)
def test_what_is_refused(schema: dict[str, Any], path: tuple[Any, ...], reason: str, fix: str) -> None:
    """Each request with it would be answered with 400."""
    (problem,) = refusals(schema)

    assert (problem.code, problem.severity, problem.path) == ("schema-rejected", "refused", path)
    assert reason in problem.reason
    assert fix in problem.fix


@pytest.mark.parametrize(
    "schema",
    [
        within({"type": ["string", "null"], "enum": ["a", None]}),
        within(
            {"const": {"enum": [], "items": [True]}, "default": {"anyOf": []}, "examples": [{"enum": []}]}
        ),
        within({"type": "object", "additionalProperties": True}),
        {**within({"$ref": "#/$defs/x"}), "$defs": {"x": within({"$ref": "#/$defs/y"}), "y": TEXT}},
        {
            "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}},
            "$defs": {"x": TEXT, "unused": {"items": {"$ref": "#/$defs/unused"}}},
        },
        {"properties": {"enum": {"type": "string"}, "items": {"type": "string"}, "minContains": TEXT}},
    ],
)
def test_what_is_not_refused(schema: dict[str, Any]) -> None:
    """Values that look like schemas, properties named as keywords, and references that end."""
    assert list(refusals(schema)) == []


@pytest.mark.parametrize(
    ("schema", "path", "reason"),
    [
        (within({"oneOf": [TEXT, {"type": "null"}]}), A, "oneOf as anyOf"),
        (within({"type": "string", "pattern": "ab"}), A, 'whole text against the pattern "ab"'),
        (within({"type": "string", "pattern": "^ab"}), A, "whole text"),
        (within({"type": "string", "maxLength": 2_049}), A, "maxLength up to 2,048 only"),
        (within({"type": "string", "minLength": 2_049}), A, "minLength up to 2,048 only"),
        (within({"type": "array", "maxItems": 257}), A, "maxItems up to 256 only"),
        (within({"not": TEXT}), A, "may not enforce not"),
        (within({"if": TEXT, "then": {"maxLength": 1}}), A, "may not enforce if"),
        (within({"allOf": [TEXT, {"maxLength": 1}]}), A, "several schemas of allOf"),
        (within({"type": "object"}), A, "always {}"),
        (within({"$ref": "#/$defs/x"}), A, "#/$defs/x leads to nothing"),
    ],
)
def test_what_is_read_otherwise(schema: dict[str, Any], path: tuple[Any, ...], reason: str) -> None:
    """A warning with a cure; the line is loaded."""
    (problem,) = differences(schema)

    assert (problem.code, problem.severity, problem.path) == ("schema-differs", "warning", path)
    assert reason in problem.reason
    assert problem.fix


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        within({"type": "string", "pattern": "^ab$", "maxLength": 2_048}),
        within({"type": "array", "items": TEXT, "maxItems": 256}),
        within({"allOf": [TEXT]}),
        within({"type": "object", "additionalProperties": True}),
        within({"type": "object", "properties": {}}),
        {**within({"$ref": "#/$defs/x"}), "$defs": {"x": TEXT}},
        {**within({"$ref": "#/%24defs/x~1y~0"}), "$defs": {"x/y~": TEXT}},
        within({"$ref": "#/anyOf/0", "anyOf": []}) | {"anyOf": [TEXT]},
    ],
)
def test_what_is_read_as_written(schema: dict[str, Any]) -> None:
    """Among it parameters of a tool that takes none."""
    assert list(differences(schema)) == []


def test_a_difference_is_named_once() -> None:
    """The first spot of each kind."""
    long_text = {"type": "string", "maxLength": 5_000}
    schema = {"properties": {"a": long_text, "b": long_text, "c": {"not": TEXT}}}

    assert [problem.path for problem in differences(schema)] == [A, ("properties", "c")]


def test_only_the_worst_is_said() -> None:
    """No schema at all, then refused, then read otherwise; the path goes on from the schema's own."""
    no_schema = {"type": "objekt", "properties": {"a": True, "b": {"not": TEXT}}}
    rejected = {"properties": {"a": True, "b": {"not": TEXT}}}
    differs = {"properties": {"b": {"not": TEXT}}}

    found = [
        [(p.code, p.path) for p in schema_problems("it is", one, ("x",))]
        for one in (no_schema, rejected, differs)
    ]
    assert found == [
        [("bad-schema", ("x",))],
        [("schema-rejected", ("x", "properties", "a"))],
        [("schema-differs", ("x", "properties", "b"))],
    ]
