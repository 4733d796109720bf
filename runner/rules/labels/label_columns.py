"""The label columns that a user's JSON schema leads to, and the form in which it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.errors import UsageError
from runner.rules.json_text.json_faults import shortened
from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.requests.schema_walk import DEFINITIONS, followed, subschemas

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_MAX: Final = 3  # names joined by dots; what is nested deeper is one column of JSON

_KINDS: Final = {
    "string": LabelKind.TEXT,
    "integer": LabelKind.INTEGER,
    "number": LabelKind.NUMBER,
    "boolean": LabelKind.BOOLEAN,
}
# Closing an object beside or below these could make it fit nothing.
_COMBINING: Final = frozenset({"allOf", "dependentSchemas", "else", "if", "not", "then"})
_SAYS_WHAT_ELSE: Final = frozenset({"additionalProperties", "unevaluatedProperties", "$ref"})


def fields_of_schema(schema: dict[str, Any]) -> list[LabelField]:
    """Return the label columns of a schema in its order. Raise UsageError where it has none.

    A text or a list of texts with an enum has its values. Objects become columns such as `a.b`, three names
    deep. Whatever has no kind of its own is a column of JSON. The schema has no circular reference
    (`xai_schema.refusals`).
    """
    properties = schema.get("properties")
    if schema.get("type", "object") != "object" or not isinstance(properties, dict) or not properties:
        raise UsageError(
            "the schema has no label: it must be an object with properties",
            fix='write {"type": "object", "properties": {"label": {"type": "string"}}}',
        )
    fields = list(_columns(schema, schema, (), is_nullable=False))
    _check_names([field.name for field in fields])
    return fields


def without_outer_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the definition that a schema refers to as a whole, in place of the reference.

    Generators of schemas write such ones. The other definitions stay.
    """
    found = followed(schema, schema)
    if "$ref" not in schema or not isinstance(found, dict):
        return schema
    groups = {name: dict(value) for name, value in schema.items() if name in DEFINITIONS}
    group, _, name = schema["$ref"].removeprefix("#/").partition("/")
    if group in groups and schema["$ref"] not in _references({**found, **groups}):
        groups[group].pop(name, None)
    return {**found, **{name: value for name, value in groups.items() if value}}


def _references(schema: dict[str, Any]) -> set[Any]:
    return {one.schema.get("$ref") for one in subschemas(schema) if isinstance(one.schema, dict)}


def closed_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that says `additionalProperties: false` where the API assumes it.

    One that combines schemas stays as it is: there an object that is closed by itself may fit nothing.
    """
    copy: dict[str, Any] = orjson.loads(orjson.dumps(schema))
    inner = [found.schema for found in subschemas(copy) if isinstance(found.schema, dict)]
    if any(not _COMBINING.isdisjoint(one) for one in inner):
        return schema
    for one in inner:
        is_object = one.get("type", "object") == "object" and isinstance(one.get("properties"), dict)
        if is_object and _SAYS_WHAT_ELSE.isdisjoint(one):
            one["additionalProperties"] = False
    return copy


def _check_names(names: list[str]) -> None:
    for name in names:
        if name.startswith("_"):
            fix = "rename the property; columns that begin with _ are ours, such as _status"
            raise UsageError(f'the label "{shortened(name)}" of the schema begins with _', fix=fix)
        if names.count(name) > 1:
            fix = "rename one of the properties: a.b is also the name of b within a"
            raise UsageError(f'the schema leads to two columns "{shortened(name)}"', fix=fix)


def _columns(
    root: dict[str, Any], schema: dict[str, Any], path: tuple[str, ...], *, is_nullable: bool
) -> Iterator[LabelField]:
    """Yield the columns of an object's properties."""
    required = schema.get("required", ())
    for name, described in schema["properties"].items():
        found, may_be_null = _without_null(root, described)
        can_miss = is_nullable or may_be_null or name not in required
        inner = (*path, name)
        if len(inner) < DEPTH_MAX and _is_flat_object(found):
            yield from _columns(root, found, inner, is_nullable=can_miss)
        else:
            yield _column(root, found, inner, is_nullable=can_miss)


def _is_flat_object(schema: Any) -> bool:
    """Return whether an object has the properties that it names and no others."""
    return (
        isinstance(schema, dict)
        and bool(schema.get("properties"))
        and schema.get("type", "object") == "object"
        and schema.get("additionalProperties", False) is False
        and "patternProperties" not in schema
    )


def _column(root: dict[str, Any], schema: Any, path: tuple[str, ...], *, is_nullable: bool) -> LabelField:
    kind = _kind(root, schema)
    named = _without_null(root, schema["items"])[0] if kind is LabelKind.LIST else schema
    values = _texts(named) if kind in (LabelKind.TEXT, LabelKind.LIST) else None
    bounds = schema if kind in (LabelKind.INTEGER, LabelKind.NUMBER) else {}
    return LabelField(
        name=".".join(path),
        kind=kind,
        path=path,
        values=values,
        low=bounds.get("minimum"),
        high=bounds.get("maximum"),
        is_nullable=is_nullable,
    )


def _kind(root: dict[str, Any], schema: Any) -> LabelKind:
    if not isinstance(schema, dict):
        return LabelKind.JSON
    kind = schema.get("type") or _type_of_values(schema)
    if kind == "array" and isinstance(schema.get("items"), dict) and "prefixItems" not in schema:
        items, may_be_null = _without_null(root, schema["items"])
        is_texts = not may_be_null and _kind(root, items) is LabelKind.TEXT
        return LabelKind.LIST if is_texts else LabelKind.JSON
    return _KINDS.get(kind, LabelKind.JSON) if isinstance(kind, str) else LabelKind.JSON


def _type_of_values(schema: dict[str, Any]) -> str | None:
    """Return the type of an enum or const without a type; None where its values are of several."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    names = {str: "string", bool: "boolean", int: "integer", float: "number"}
    types = {names.get(type(value)) for value in values}
    return types.pop() if len(types) == 1 else None


def _texts(schema: dict[str, Any]) -> tuple[str, ...] | None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return None if values is None else tuple(value for value in values if isinstance(value, str))


def _without_null(root: dict[str, Any], schema: Any) -> tuple[Any, bool]:
    """Return what a schema allows beside null, references followed, and whether it allows null."""
    found = followed(root, schema)
    if not isinstance(found, dict):
        return found, False
    variants = _variants(found)
    if variants is not None:
        return _of_variants(root, [followed(root, one) for one in variants])
    return _without_null_value(found)


def _without_null_value(schema: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a schema without null among its types and values, and whether it allows null."""
    types, values = schema.get("type"), schema.get("enum", ())
    is_nullable = "null" in types if isinstance(types, list) else types is None and None in values
    changed = {}
    if isinstance(types, list):
        others = [one for one in types if one != "null"]
        changed["type"] = others[0] if len(others) == 1 else others
    if None in values:
        changed["enum"] = [value for value in values if value is not None]
    return {**schema, **changed}, is_nullable


def _variants(schema: dict[str, Any]) -> list[Any] | None:
    """Return the schemas of which an answer fits one, where the schema itself says no more."""
    if "type" in schema or "enum" in schema:
        return None
    lists = (schema.get(name) for name in ("anyOf", "oneOf", "allOf"))
    return next((variants for variants in lists if isinstance(variants, list)), None)


def _of_variants(root: dict[str, Any], variants: list[Any]) -> tuple[Any, bool]:
    """Return the only variant beside null, or None where there are several."""
    others = [one for one in variants if not (isinstance(one, dict) and one.get("type") == "null")]
    has_null = len(others) < len(variants)
    if len(others) != 1:
        return None, has_null
    found, may_be_null = _without_null(root, others[0])
    return found, has_null or may_be_null
