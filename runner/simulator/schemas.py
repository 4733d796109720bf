"""What a JSON schema says, made flat: references followed, allOf merged, one branch of anyOf chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Flat = dict[str, Any]

DEEP = 5  # below this depth only the necessary is made, so that recursive schemas come to an end
BOTTOM = 40
NOTHING: Flat = {"enum": []}
_KINDS_BY_KEYWORD = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_HIGHEST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_LOWEST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})


class Flattener:
    """Flattens the parts of one schema document."""

    def __init__(self, root: Any, random: Random) -> None:
        self._root = root
        self._random = random

    def flat(self, schema: Any, depth: int) -> Flat:
        """The schema without references and combinations; NOTHING if no instance can satisfy it."""
        if isinstance(schema, bool):
            return {} if schema else NOTHING
        if depth > BOTTOM:
            return NOTHING
        result = {
            key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")
        }
        if "$ref" in schema:
            result = merge(self.flat(self._target(schema["$ref"]), depth + 1), result)
        for part in schema.get("allOf", ()):
            result = merge(result, self.flat(part, depth + 1))
        for word in ("anyOf", "oneOf"):
            if word in schema:
                result = merge(result, self._branch(schema[word], depth))
        return result

    def _branch(self, branches: list[Any], depth: int) -> Flat:
        """A branch by chance, rather not null; the smallest one in the deep."""
        possible = [one for one in branches if one is not False]
        if depth >= DEEP:
            possible = sorted(possible, key=_size)[:1]
        elif any(not _is_null(one) for one in possible):
            possible = [one for one in possible if not _is_null(one)]
        return self.flat(self._random.choice(possible), depth + 1) if possible else NOTHING

    def _target(self, reference: str) -> Any:
        """What a reference within the document points at; one that points elsewhere allows anything."""
        if not reference.startswith("#"):
            return True
        found = self._root
        for step in filter(None, reference[1:].split("/")):
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                return True
        return found


def merge(one: Flat, other: Flat) -> Flat:
    """A schema as strict as both together, as far as this can be written in one."""
    result = dict(one)
    for key, value in other.items():
        result[key] = _both(key, result[key], value) if key in result else value
    return result


def kinds(flat: Flat) -> list[str]:
    """The types an instance may have; without a word of them, what the keywords speak of, if anything."""
    named = flat.get("type")
    if named is not None:
        return [named] if isinstance(named, str) else list(named)
    return [kind for kind, words in _KINDS_BY_KEYWORD.items() if any(word in flat for word in words)]


def _both(key: str, one: Any, other: Any) -> Any:
    if key in _HIGHEST:
        return max(one, other)
    if key in _LOWEST:
        return min(one, other)
    joined = _JOINS.get(key)
    return joined(one, other) if joined else other


def _both_properties(one: Flat, other: Flat) -> Flat:
    return one | other | {name: _all_of(one[name], other[name]) for name in one if name in other}


def _all_of(one: Any, other: Any) -> Any:
    return other if one == other else {"allOf": [one, other]}


def _common_kinds(ones: list[str], others: list[str]) -> list[str]:
    common = [kind for kind in ones if kind in others]
    if "integer" not in common and {"integer", "number"} <= {*ones, *others}:
        common.append("integer")
    return common


_JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "type": lambda one, other: _common_kinds(kinds({"type": one}), kinds({"type": other})),
    "enum": lambda one, other: [value for value in one if value in other],
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "properties": _both_properties,
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
    return max(({"object": 4, "array": 3}.get(kind, 2) for kind in kinds(schema)), default=2)
