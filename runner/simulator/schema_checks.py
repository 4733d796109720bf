"""Checks of JSON schemas: the draft's own rules, and what xAI does not support.

xAI refuses an `enum`, `anyOf` or `oneOf` without variants, a property whose schema is true or false,
`minContains`, `maxContains`, `items` as a list, a `pattern` that cannot be compiled, and references that lead
back to themselves.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.simulator.flat_schemas import find_target

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTS: Final = (
    *("additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_LISTS_OF_PARTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS_OF_PARTS: Final = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_VARIANTS: Final = ("enum", "anyOf", "oneOf")
ESCAPED: Final = "\ue000"  # stands for what is escaped in a pattern
_UNSUPPORTED: Final = ("minContains", "maxContains")


@lru_cache(maxsize=1024)
def schema_error(raw: bytes) -> str:
    """Return why the API refuses a schema, given as JSON; "" if it does not. May raise RecursionError."""
    import jsonschema  # slower to import than all the rest

    schema = orjson.loads(raw)
    unsupported = _Walk(schema).first_error()
    if unsupported:
        return unsupported
    try:
        validator = jsonschema.Draft202012Validator
        validator.check_schema(schema, format_checker=jsonschema.FormatChecker(formats=()))
    except jsonschema.SchemaError as error:
        return error.message
    return ""


class _Walk:
    """A walk through all parts of a schema, references included, each part once."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._entered: set[int] = set()  # by id
        self._done: set[int] = set()

    def first_error(self) -> str:
        """Return the first thing that xAI does not support, with its place; "" if there is none."""
        return self._visit(self._root, "#")

    def _visit(self, schema: Any, where: str) -> str:
        if not isinstance(schema, dict) or id(schema) in self._done:
            return ""
        if id(schema) in self._entered:
            return f"{where}: circular references are not supported."
        self._entered.add(id(schema))
        error = _own_error(schema, where) or self._error_of_parts(schema, where)
        self._done.add(id(schema))
        return error

    def _error_of_parts(self, schema: dict[str, Any], where: str) -> str:
        parts = list(_parts(schema, where))
        if isinstance(schema.get("$ref"), str):
            parts.append((find_target(self._root, schema["$ref"]), f"{where}/$ref"))
        return next((error for part, place in parts if (error := self._visit(part, place))), "")


def _own_error(schema: dict[str, Any], where: str) -> str:
    """Return what is not supported in a schema itself, not in its parts."""
    for keyword in _VARIANTS:
        if schema.get(keyword) == []:
            return f"{where}/{keyword}: at least one variant is required."
    for keyword in _UNSUPPORTED:
        if keyword in schema:
            return f"{where}/{keyword}: this keyword is not supported."
    if not _compiles(schema.get("pattern")):
        return f"{where}/pattern: the regular expression cannot be compiled."
    if isinstance(schema.get("items"), list):
        return f"{where}/items: a list of schemas is not supported, use prefixItems."
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, part in properties.items():
            if isinstance(part, bool):
                return f"{where}/properties/{name}: a boolean is not supported as a schema of a property."
    return ""


def _compiles(pattern: object) -> bool:
    """Return whether a pattern, if it is a text, is one, whatever its escapes and names of groups are."""
    if not isinstance(pattern, str):
        return True
    bare = re.sub(r"\\.", ESCAPED, pattern, flags=re.DOTALL).replace("[^]", ".").replace("[]", "a")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            re.compile(re.sub(r"\(\?<\w+>", "(", bare))
    except re.error as error:
        return error.msg.startswith("look-behind") or ESCAPED in error.msg  # what ECMA may take
    return True


def _parts(schema: dict[str, Any], where: str) -> Iterator[tuple[Any, str]]:
    """Yield the schemas within a schema, each with its place."""
    for keyword in _PARTS:
        if keyword in schema:
            yield schema[keyword], f"{where}/{keyword}"
    for keyword in _LISTS_OF_PARTS:
        if isinstance(schema.get(keyword), list):
            yield from ((part, f"{where}/{keyword}/{at}") for at, part in enumerate(schema[keyword]))
    for keyword in _MAPS_OF_PARTS:
        if isinstance(schema.get(keyword), dict):
            yield from ((part, f"{where}/{keyword}/{name}") for name, part in schema[keyword].items())
