"""The subschemas of a JSON schema, and what a reference in it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.rules.diagnostics import Path

DEFINITIONS: Final = frozenset({"$defs", "definitions"})
_NAMED: Final = DEFINITIONS | {"properties", "patternProperties", "dependentSchemas"}  # name -> schema
_LISTED: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
_ONE: Final = frozenset(
    {
        "items",
        "additionalItems",
        "additionalProperties",
        "contains",
        "else",
        "if",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)


class Subschema(NamedTuple):
    """A schema within a schema: an object, or true or false; `path` leads to it."""

    path: Path
    schema: Any


def subschemas(schema: dict[str, Any], *, with_definitions: bool = True) -> Iterator[Subschema]:
    """Yield a schema and all within it, each before its own; of definitions only if asked for."""
    left = [Subschema((), schema)]
    while left:
        found = left.pop()
        yield found
        if isinstance(found.schema, dict):
            children = [
                Subschema((*found.path, *path), child)
                for path, child in _children(found.schema)
                if with_definitions or path[0] not in DEFINITIONS
            ]
            left += reversed(children)


def _children(schema: dict[str, Any]) -> Iterator[Subschema]:
    for name, value in schema.items():
        if isinstance(value, dict) and name in _NAMED:
            yield from (Subschema((name, key), child) for key, child in value.items())
        elif isinstance(value, list) and name in _LISTED:
            yield from (Subschema((name, place), child) for place, child in enumerate(value))
        elif name in _ONE and isinstance(value, dict | bool):
            yield Subschema((name,), value)


def referenced(root: dict[str, Any], reference: str) -> Any:
    """Return what a reference within the schema leads to; None if it leads nowhere or out of it."""
    if not reference.startswith("#"):
        return None
    if reference == "#":
        return root
    node: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(name)
        elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
            node = node[int(name)]
        else:
            return None
    return None if node is root else node


def followed(root: dict[str, Any], schema: Any) -> Any:
    """Return a schema without references: what the chain of them leads to; None for one without an end."""
    seen = set()
    while isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        reference = schema["$ref"]
        if reference in seen:
            return None
        seen.add(reference)
        schema = referenced(root, reference)
    return schema
