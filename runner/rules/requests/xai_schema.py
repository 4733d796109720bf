"""What xAI refuses in a JSON schema, and what it reads otherwise than JSON Schema says.

Source: xAI's page on structured outputs, 2026. It has no word on formats and on schemas of other addresses.
What it refuses costs every request of a run; what it reads otherwise costs answers that are not as expected.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_text.json_faults import shortened
from runner.rules.requests.pattern_fault import pattern_fault
from runner.rules.requests.schema_walk import Subschema, followed, referenced, subschemas

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH_MAX: Final = 2_048  # characters of a text up to which minLength and maxLength are enforced
ITEMS_MAX: Final = 256  # items of a list up to which minItems and maxItems are

_LIMITS: Final = {
    "minLength": LENGTH_MAX,
    "maxLength": LENGTH_MAX,
    "minItems": ITEMS_MAX,
    "maxItems": ITEMS_MAX,
}
_VARIANTS: Final = ("anyOf", "oneOf", "enum")
_UNENFORCED: Final = ("not", "if", "dependentSchemas", "patternProperties")


def refusals(schema: dict[str, Any]) -> Iterator[Problem]:
    """Yield why xAI answers 400 to a schema; each `path` leads from the schema to the spot."""
    for found in subschemas(schema):
        if isinstance(found.schema, dict):
            yield from _refused_keywords(found.path, found.schema)
        elif len(found.path) > 1 and found.path[-2] == "properties":
            name, shown = shortened(str(found.path[-1])), str(found.schema).lower()
            fix = 'write its type, such as {"type": "string"}, or remove it'
            yield _refused(found.path, f'the property "{name}" is {shown}; the API takes no such schema', fix)
    if (reference := _circular_reference(schema)) is not None:
        reason = f"the reference {shortened(reference)} leads back to itself; the API takes no such schema"
        yield _refused((), reason, "write the levels out, as deep as you need them")


def differences(schema: dict[str, Any]) -> Iterator[Problem]:
    """Yield what xAI reads otherwise, the first spot of each kind, its `path` from the schema on."""
    kinds: set[str] = set()
    for found in subschemas(schema):
        if not isinstance(found.schema, dict):
            continue
        for kind, reason, fix in _read_otherwise(schema, found):
            if kind not in kinds:
                kinds.add(kind)
                yield Problem(
                    code="schema-differs", path=found.path, reason=reason, fix=fix, severity="warning"
                )


def _refused(path: Path, reason: str, fix: str) -> Problem:
    return Problem(code="schema-rejected", path=path, reason=reason, fix=fix)


def _refused_keywords(path: Path, schema: dict[str, Any]) -> Iterator[Problem]:
    for name in _VARIANTS:
        if schema.get(name) == []:
            reason = f"{name} is empty, so that no answer could fit; the API refuses it"
            yield _refused((*path, name), reason, f"give {name} a value, or remove it")
    for name in ("minContains", "maxContains"):
        if name in schema:
            yield _refused((*path, name), f"the API does not take {name}", f"remove {name}")
    if isinstance(schema.get("pattern"), str) and (fault := pattern_fault(schema["pattern"])):
        reason = f'the pattern "{shortened(schema["pattern"])}" cannot be compiled: {fault}'
        yield _refused((*path, "pattern"), reason, "correct the regular expression")
    if isinstance(schema.get("items"), list):
        fix = "write one schema for all items, or prefixItems"
        yield _refused((*path, "items"), "items is a list; the API takes one schema", fix)


def _circular_reference(schema: dict[str, Any]) -> str | None:
    """Return a reference of the schema that leads back to itself; None if there is none."""
    left = ["#"]
    leads_to: dict[str, set[str]] = {}
    while left:
        reference = left.pop()
        if reference not in leads_to:
            leads_to[reference] = _references_in(referenced(schema, reference))
            left += leads_to[reference]
    try:
        TopologicalSorter(leads_to).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return min(cycle)
    return None


def _references_in(schema: Any) -> set[str]:
    """Return the references that a schema uses itself; those in its definitions count where they are used."""
    if not isinstance(schema, dict):
        return set()
    found = (inner.schema for inner in subschemas(schema, with_definitions=False))
    return {
        inner["$ref"] for inner in found if isinstance(inner, dict) and isinstance(inner.get("$ref"), str)
    }


def _read_otherwise(root: dict[str, Any], found: Subschema) -> Iterator[tuple[str, str, str]]:
    """Yield kind, reason and fix of what is read otherwise in one schema, without those within it."""
    schema = found.schema
    if _is_long(schema.get("oneOf")):
        reason = "the API reads oneOf as anyOf: an answer may fit several of its schemas"
        yield "oneOf", reason, "write anyOf, or schemas that exclude each other"
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not (pattern.startswith("^") and pattern.endswith("$")):
        reason = (
            f'the API matches the whole text against the pattern "{shortened(pattern)}", not a part of it'
        )
        yield "pattern", reason, "write ^ and $ around it, with .* where other text may stand"
    if _is_open_object(found):
        reason = "an object without properties is always {} at the API, where additionalProperties is false"
        yield "object", reason, 'name its properties, or write "additionalProperties": true'
    if _is_pointer(schema.get("$ref")) and followed(root, schema) is None:
        reason = f"the reference {shortened(schema['$ref'])} leads to nothing in this schema"
        yield "$ref", reason, "define it under $defs"
    yield from _unenforced(schema)


def _unenforced(schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield kind, reason and fix of each keyword that an answer may break all the same."""
    for name, limit in _LIMITS.items():
        if _is_above(schema.get(name), limit):
            yield name, f"the API enforces {name} up to {limit:,} only", "check the answers for it"
    for name in _UNENFORCED:
        if name in schema:
            yield name, f"the API may not enforce {name}", "write it without, or check the answers for it"
    if _is_long(schema.get("allOf")):
        reason = "the API may not enforce several schemas of allOf"
        yield "allOf", reason, "write them as one schema, or check the answers for it"


def _is_long(variants: object) -> bool:
    return isinstance(variants, list) and len(variants) > 1


def _is_above(value: object, limit: int) -> bool:
    return isinstance(value, int | float) and value > limit


def _is_open_object(found: Subschema) -> bool:
    """Return whether a schema within another is an object that says nothing of its properties."""
    schema = found.schema
    says = {"properties", "additionalProperties", "patternProperties", "$ref", "anyOf", "oneOf", "allOf"}
    return bool(found.path) and schema.get("type") == "object" and says.isdisjoint(schema)


def _is_pointer(reference: object) -> bool:
    """Return whether a reference is one that must lead to something in the same schema."""
    return isinstance(reference, str) and reference.startswith("#/")
