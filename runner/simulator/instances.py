"""Instances of JSON schemas: what structured outputs and tool arguments are made of."""

from __future__ import annotations

import math
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from runner.simulator import moods
from runner.simulator.scalars import TRIES, matching, string
from runner.simulator.scalars import number as bounded_number
from runner.simulator.schemas import DEEP, Flattener, kinds

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from runner.simulator.schemas import Flat

_KINDS = {
    type(None): ("null",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    str: ("string",),
    list: ("array",),
    dict: ("object",),
}
ITEMS_MAX = 1000  # a schema that asks for more gets less: the simulator must not run out of memory
_GRADES = re.compile(r"rating|score|stars|sentiment|grade", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_SURE = re.compile(r"confidence|probability|certainty", re.IGNORECASE)
# Where a schema has one of these, a first guess may miss it, and the instance is checked.
_HARD = re.compile(
    rb'"(?:oneOf|allOf|not|if|pattern|patternProperties|propertyNames|uniqueItems|contains|multipleOf|dependent\w+'
    rb'|unevaluated\w+|minProperties|maxProperties|\$dynamicRef|\$anchor)":'
)


def instance(schema: Any, random: Random, text: str) -> Any:
    """A value that satisfies the schema, plausible for the text; the nearest one if none can be found."""
    raw = orjson.dumps(schema)
    for attempt in range(TRIES):
        value = _Maker(schema, random, text, plausible=attempt == 0).make(schema)
        if not _HARD.search(raw) or _validator(raw)(value):
            break
    return value


@lru_cache(maxsize=256)
def _validator(raw: bytes) -> Callable[[Any], bool]:
    import jsonschema  # it takes longer to import than all the rest
    from referencing.exceptions import Unresolvable

    validator = jsonschema.Draft202012Validator(orjson.loads(raw))

    def accepts(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except (Unresolvable, re.error):
            return True  # it points elsewhere, or speaks another dialect of patterns: nobody can tell

    return accepts


class _Maker:
    """Makes one instance. `text` lends it words and, if it is to be plausible, a mood; else chance rules."""

    def __init__(self, root: Any, random: Random, text: str, *, plausible: bool) -> None:
        self._plausible = plausible
        self._random = random
        self._text = text
        self._flattener = Flattener(root, random)

    @cached_property
    def _mood(self) -> float:
        return moods.lean(self._text)

    def make(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """A value for the property `name`, so deep within the instance."""
        flat = self._flattener.flat(schema, depth)
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            return self._member(flat, name)
        kind = self._kind(kinds(flat), depth)
        make = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "boolean": self._boolean,
            "number": self._number,
            "integer": self._number,
        }.get(kind)
        return make(flat, name, depth) if make else None

    def _kind(self, possible: list[str], depth: int) -> str:
        if "null" in possible and depth >= DEEP:
            return "null"
        if not self._plausible:
            return self._random.choice(possible or [kind for kinds in _KINDS.values() for kind in kinds])
        return next((kind for kind in possible if kind != "null"), "null" if possible else "string")

    def _string(self, flat: Flat, _name: str, _depth: int) -> str:
        return string(flat, self._random, self._text.split() or ["nothing", "said"])

    def _boolean(self, _flat: Flat, name: str, _depth: int) -> bool:
        fit = moods.fits(name.replace("_", " "), self._mood)
        return fit > 0 if fit else self._random.random() < 0.5

    def _number(self, flat: Flat, name: str, _depth: int) -> int | float:
        share = self._random.random()
        if _GRADES.search(name):
            share = (self._mood + 1) / 2
        elif _SURE.search(name):
            share = 0.6 + 0.39 * share
        return bounded_number(flat, share, whole="number" not in kinds(flat))

    def _member(self, flat: Flat, name: str) -> Any:
        """A value of an enum: one that suits the mood, or that the text names, before any other."""
        values = [
            value for value in flat["enum"] if "type" not in flat or set(_kinds_of(value)) & set(kinds(flat))
        ]
        if not values:
            return None
        numbers = [
            value for value in values if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if len(numbers) == len(values) and _GRADES.search(name):
            return sorted(numbers)[round((self._mood + 1) / 2 * (len(numbers) - 1))]
        if not self._plausible:
            return self._random.choice(values)
        words = set(_WORD.findall(self._text.lower()))
        ranks = [
            (moods.fits(value, self._mood), value.lower() in words) if isinstance(value, str) else (0, False)
            for value in values
        ]
        best = max(ranks)
        return self._random.choice([value for value, rank in zip(values, ranks, strict=True) if rank == best])

    def _object(self, flat: Flat, _name: str, depth: int) -> dict[str, Any]:
        properties, required = flat.get("properties", {}), flat.get("required", [])
        optional = [
            name for name, schema in properties.items() if name not in required and schema is not False
        ]
        if depth >= DEEP:
            optional = []
        room = flat.get("maxProperties", math.inf) - len(required)
        names = [*required, *optional[: max(0, int(min(room, len(optional))))]]
        names += self._more_names(flat, names)
        order = {name: at for at, name in enumerate(properties)}
        names.sort(key=lambda name: order.get(name, len(order)))
        return {name: self.make(self._property(flat, name), name, depth + 1) for name in names}

    def _property(self, flat: Flat, name: str) -> Any:
        parts = [
            schema for pattern, schema in flat.get("patternProperties", {}).items() if _matches(pattern, name)
        ]
        if name in flat.get("properties", {}):
            parts.append(flat["properties"][name])
        if not parts:
            return flat.get("additionalProperties", True)
        return parts[0] if len(parts) == 1 else {"allOf": parts}

    def _more_names(self, flat: Flat, names: list[str]) -> list[str]:
        """Invented names where the schema wants more properties than it names."""
        missing = flat.get("minProperties", 0) - len(names)
        patterns = list(flat.get("patternProperties", {}))
        named = flat.get("propertyNames")
        more: list[str] = []
        taken = {*names, ""}
        for number in range(max(0, missing) * 4):
            if len(more) == missing:
                break
            if patterns:
                name = matching(self._random.choice(patterns), self._random)
                name = f"{name}{number}" if name in taken else name
            elif named is not None:
                name = str(self.make({"allOf": [{"type": "string"}, named]}, depth=1))
            else:
                name = f"key_{number}"
            if name not in taken:
                more.append(name)
                taken.add(name)
        return more

    def _array(self, flat: Flat, name: str, depth: int) -> list[Any]:
        prefix, items = flat.get("prefixItems", []), flat.get("items", True)
        least = max(
            min(flat.get("minItems", 0), ITEMS_MAX), flat.get("minContains", 1) if "contains" in flat else 0
        )
        most = flat.get("maxItems", max(least, len(prefix)) + 2)
        if items is False:
            most = min(most, len(prefix))
        count = min(most, least if depth >= DEEP else max(least, 1, len(prefix)) + self._random.randint(0, 1))
        found: list[Any] = []
        for at in range(count):
            schema = prefix[at] if at < len(prefix) else items
            if "contains" in flat and at >= len(prefix) and at - len(prefix) < flat.get("minContains", 1):
                schema = {"allOf": [schema, flat["contains"]]}
            found.append(self._next_item(schema, name, depth, found if flat.get("uniqueItems") else []))
        return _distinct(found, least) if flat.get("uniqueItems") else found

    def _next_item(self, schema: Any, name: str, depth: int, taken: list[Any]) -> Any:
        for _ in range(TRIES):
            value = self.make(schema, name, depth + 1)
            if value not in taken:
                break
        return value


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def _distinct(values: list[Any], least: int) -> list[Any]:
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept if len(kept) >= least else values


def _kinds_of(value: Any) -> tuple[str, ...]:
    """The JSON types of a value."""
    if isinstance(value, float) and value.is_integer():
        return ("number", "integer")
    return _KINDS[type(value)]
