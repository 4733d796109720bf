"""What a reference within a schema leads to, and which parts of a schema are schemas."""

from __future__ import annotations

from typing import Any, Final

import pytest

from runner.rules.requests.schema_walk import followed, referenced, subschemas

ROOT: Final[dict[str, Any]] = {
    "$defs": {
        "a": {"$ref": "#/$defs/b"},
        "b": {"$ref": "#/$defs/c"},
        "c": {"type": "string"},
        "x": {"$ref": "#/$defs/y"},
        "y": {"$ref": "#/$defs/x"},
        "s/l~": {"const": 1},
    },
    "anyOf": [{"const": 0}, {"const": 1}],
}


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#", ROOT),
        ("#/$defs/c", {"type": "string"}),
        ("#/%24defs/c", {"type": "string"}),
        ("#/$defs/s~1l~0", {"const": 1}),
        ("#/anyOf/1", {"const": 1}),
        ("#/anyOf/2", None),
        ("#/anyOf/-1", None),
        ("#/$defs/none", None),
        ("#/$defs/c/type/x", None),
        ("#anchor", None),
        ("https://example.com/x", None),
        ("", None),
    ],
)
def test_a_reference_leads_to_its_place(reference: str, found: object) -> None:
    """As JSON Pointer says; to nothing outside of the schema."""
    assert referenced(ROOT, reference) == found


def test_chains_of_references_end() -> None:
    """Where they lead, or nowhere if they lead back."""
    assert followed(ROOT, {"$ref": "#/$defs/a"}) == {"type": "string"}
    assert followed(ROOT, {"$ref": "#/$defs/x"}) is None
    assert followed(ROOT, True) is True


def test_only_schemas_are_walked() -> None:
    """In their order, each before its own: no value and no list of names."""
    schema = {
        "properties": {
            "enum": {"enum": [{"type": 1}]},
            "a": {"items": {"not": True}, "default": {"items": {}}},
        },
        "required": ["a"],
        "$defs": {"d": {}},
        "additionalProperties": False,
        "anyOf": [{"const": {"not": {}}}],
    }
    paths = [found.path for found in subschemas(schema)]

    assert paths == [
        (),
        ("properties", "enum"),
        ("properties", "a"),
        ("properties", "a", "items"),
        ("properties", "a", "items", "not"),
        ("$defs", "d"),
        ("additionalProperties",),
        ("anyOf", 0),
    ]
    assert [found.path for found in subschemas(schema, with_definitions=False)] == [
        path for path in paths if path[:1] != ("$defs",)
    ]
