"""Schemas of the Gemini API, a part of OpenAPI 3.0, written as JSON Schema.

Source: `Schema` in the types of Google's Python client (google-genai 3.x).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import refusal
from runner.rules.foreign.typed import object_of

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes

_NAMES: Final = {
    "any_of": "anyOf",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
}
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_LEFT_OUT: Final = ("nullable", "propertyOrdering", "example", "properties", "items", "anyOf", "type", "enum")


def json_schema_of(schema: object, where: str, changes: Changes) -> dict[str, Any]:
    """Return a schema of Gemini as JSON Schema: types in lower case, `nullable` as a type."""
    given = camel_keys(object_of(schema, where))
    changes.translated("schema", "written as JSON Schema: types in lower case, nullable as a type")
    made = {name: field for name, field in given.items() if name not in _LEFT_OUT}
    if given.get("format") == "enum":
        del made["format"]
    if "example" in given:
        changes.dropped("schema.example", "the model does not see it")
    _counts(made, where)
    made = {**_type(given), **made, **_enum(given)}
    if isinstance(given.get("anyOf"), list):
        made["anyOf"] = [json_schema_of(one, f"{where}.anyOf", changes) for one in given["anyOf"]]
    if "items" in given:
        made["items"] = json_schema_of(given["items"], f"{where}.items", changes)
    return made | _properties(given, where, changes)


def camel(name: str) -> str:
    """Return a name of a field as JSON has it: `any_of` and `anyOf` are the same to Google's parser."""
    if name in _NAMES:
        return _NAMES[name]
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest) if first else name


def camel_keys(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the names of its fields as JSON has them, without those that are null."""
    return {camel(name): field for name, field in value.items() if field is not None}


def _enum(given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an enum, of a nullable one with null."""
    if "enum" not in given:
        return {}
    values = given["enum"]
    is_nullable = given.get("nullable") is True and isinstance(values, list)
    return {"enum": [*values, None] if is_nullable else values}


def _type(given: dict[str, Any]) -> dict[str, Any]:
    kind, is_nullable = given.get("type"), given.get("nullable") is True
    if isinstance(kind, list):
        return {"type": [str(one).lower() for one in kind]}
    if not isinstance(kind, str) or kind == "TYPE_UNSPECIFIED":
        return {}
    return {"type": [kind.lower(), "null"] if is_nullable and kind != "NULL" else kind.lower()}


def _counts(made: dict[str, Any], where: str) -> None:
    """Write counts as numbers: 64-bit numbers may be texts in Google's JSON."""
    for name in _COUNTS:
        if isinstance(made.get(name), str):
            if not made[name].isascii() or not made[name].isdigit() or len(made[name]) > 18:
                raise refusal("bad-type", f"{where}.{name} must be a whole number", "write a whole number")
            made[name] = int(made[name])


def _properties(given: dict[str, Any], where: str, changes: Changes) -> dict[str, Any]:
    """Return the properties in the order of `propertyOrdering`; an object without any takes all."""
    if "properties" not in given:
        is_open = str(given.get("type")).lower() == "object" and "additionalProperties" not in given
        return {"additionalProperties": True} if is_open else {}
    properties = object_of(given["properties"], f"{where}.properties")
    order = given["propertyOrdering"] if isinstance(given.get("propertyOrdering"), list) else []
    first = [name for name in order if isinstance(name, str) and name in properties]
    names = dict.fromkeys([*first, *properties])
    return {
        "properties": {name: json_schema_of(properties[name], f"{where}.{name}", changes) for name in names}
    }
