"""Flat JSON schemas: references resolved, allOf merged, one branch of anyOf chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Flat = dict[str, Any]

MINIMAL_DEPTH = 5  # from this depth on only what is required is made, so that recursive schemas end
DEPTH_MAX = 40
IMPOSSIBLE: Flat = {"enum": []}  # no instance satisfies it
_KEYWORDS_BY_TYPE = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_LOWER_BOUNDS = frozenset(
    {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"}
)
_UPPER_BOUNDS = frozenset(
    {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"}
)


class Flattener:
    """Flattens the parts of one schema document."""

    def __init__(self, root: Any, random: Random) -> None:
        self._root = root
        self._random = random

    def flatten(self, schema: Any, depth: int) -> Flat:
        """Return the schema without references and combinations; IMPOSSIBLE if no instance can satisfy it."""
        if isinstance(schema, bool):
            return {} if schema else IMPOSSIBLE
        if depth > DEPTH_MAX:
            return IMPOSSIBLE
        result = {
            key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")
        }
        if "$ref" in schema:
            result = merge(self.flatten(find_target(self._root, schema["$ref"]), depth + 1), result)
        for part in schema.get("allOf", ()):
            result = merge(result, self.flatten(part, depth + 1))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                result = merge(result, self._branch(schema[keyword], depth))
        return result

    def _branch(self, branches: list[Any], depth: int) -> Flat:
        """Return a random branch, not null if possible; from MINIMAL_DEPTH on the smallest one."""
        possible = [one for one in branches if one is not False]
        if depth >= MINIMAL_DEPTH:
            possible = sorted(possible, key=_size)[:1]
        elif any(not _is_null(one) for one in possible):
            possible = [one for one in possible if not _is_null(one)]
        return self.flatten(self._random.choice(possible), depth + 1) if possible else IMPOSSIBLE


def find_target(root: Any, reference: str) -> Any:
    """Return the target of a reference within the document; for any other reference a schema of true."""
    if not reference.startswith("#"):
        return True
    target = root
    for step in filter(None, reference[1:].split("/")):
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict) and key in target:
            target = target[key]
        elif isinstance(target, list) and key.isdecimal() and int(key) < len(target):
            target = target[int(key)]
        else:
            return True
    return target


def merge(one: Flat, other: Flat) -> Flat:
    """Return one schema as strict as both, as far as one can express it."""
    result = dict(one)
    for key, value in other.items():
        result[key] = _merge_values(key, result[key], value) if key in result else value
    return result


def types_of(flat: Flat) -> list[str]:
    """Return the JSON types an instance may have; without `type`, those that the keywords belong to."""
    named = flat.get("type")
    if named is not None:
        return [named] if isinstance(named, str) else list(named)
    return [
        name for name, keywords in _KEYWORDS_BY_TYPE.items() if any(keyword in flat for keyword in keywords)
    ]


def _merge_values(key: str, one: Any, other: Any) -> Any:
    if key in _LOWER_BOUNDS:
        return max(one, other)
    if key in _UPPER_BOUNDS:
        return min(one, other)
    merger = _MERGERS.get(key)
    return merger(one, other) if merger else other


def _merge_properties(one: Flat, other: Flat) -> Flat:
    return one | other | {name: _all_of(one[name], other[name]) for name in one if name in other}


def _all_of(one: Any, other: Any) -> Any:
    return other if one == other else {"allOf": [one, other]}


def _common_types(ones: list[str], others: list[str]) -> list[str]:
    common = [name for name in ones if name in others]
    if "integer" not in common and {"integer", "number"} <= {*ones, *others}:
        common.append("integer")
    return common


_MERGERS: dict[str, Callable[[Any, Any], Any]] = {
    "type": lambda one, other: _common_types(types_of({"type": one}), types_of({"type": other})),
    "enum": lambda one, other: [value for value in one if value in other],
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "properties": _merge_properties,
    "additionalProperties": _all_of,
    "items": _all_of,
    "contains": _all_of,
}


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and (schema.get("type") == "null" or schema.get("const", 0) is None)


def _size(schema: Any) -> int:
    if not isinstance(schema, dict) or _is_null(schema):
        return 0
    if "enum" in schema or "const" in schema:
        return 1
    if "$ref" in schema or "anyOf" in schema or "oneOf" in schema or "allOf" in schema:
        return 5
    return max(({"object": 4, "array": 3}.get(name, 2) for name in types_of(schema)), default=2)
