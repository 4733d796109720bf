"""Instances of JSON schemas, for structured outputs and tool arguments."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from runner.simulator import sentiment
from runner.simulator.flat_schemas import MINIMAL_DEPTH, Flattener, types_of
from runner.simulator.scalars import TRIES, make_matching, make_number, make_string
from runner.simulator.schema_validation import accepts

if TYPE_CHECKING:
    from random import Random

    from runner.simulator.flat_schemas import Flat

_JSON_TYPES = {
    type(None): ("null",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
    str: ("string",),
    list: ("array",),
    dict: ("object",),
}
ITEMS_MAX = 1000  # more are not made, whatever the schema asks: memory stays bounded
_GRADE_NAME = re.compile(r"rating|score|stars|sentiment|grade", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_CONFIDENCE_NAME = re.compile(r"confidence|probability|certainty", re.IGNORECASE)
# With one of these keywords a generated instance may be invalid, so it is checked.
_NEEDS_CHECK = re.compile(
    rb'"(?:allOf|not|if|pattern|patternProperties|propertyNames|uniqueItems|contains|multipleOf|dependent\w+'
    rb'|unevaluated\w+|minProperties|maxProperties|\$dynamicRef|\$anchor)":'
)


def make_instance(schema: Any, random: Random, text: str, *, plausible: bool = True) -> Any:
    """Return a value that satisfies the schema, or the last try if none does.

    The first try is plausible for the text, unless `plausible` is false; the others are random.
    """
    raw = orjson.dumps(schema)
    for attempt in range(TRIES):
        value = InstanceMaker(schema, random, text, plausible=plausible and attempt == 0).make(schema)
        if not _NEEDS_CHECK.search(raw) or accepts(raw, value):
            break
    return value


class InstanceMaker:
    """Makes one instance with words of the text. If `plausible`, with its sentiment, else at random."""

    def __init__(self, root: Any, random: Random, text: str, *, plausible: bool) -> None:
        self._plausible = plausible
        self._random = random
        self._text = text
        self._flattener = Flattener(root, random)

    @cached_property
    def _sentiment(self) -> float:
        return sentiment.score(self._text)

    def make(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """Return a value for the property `name` at this depth within the instance."""
        flat = self._flattener.flatten(schema, depth)
        if "const" in flat:
            return flat["const"]
        if "enum" in flat:
            return self._enum_value(flat, name)
        json_type = self._choose_type(types_of(flat), depth)
        make = {
            "object": self._object,
            "array": self.make_array,
            "string": self._string,
            "boolean": self._boolean,
            "number": self._number,
            "integer": self._number,
        }.get(json_type)
        return make(flat, name, depth) if make else None

    def _choose_type(self, possible: list[str], depth: int) -> str:
        if "null" in possible and depth >= MINIMAL_DEPTH:
            return "null"
        if not self._plausible:
            return self._random.choice(possible or [name for names in _JSON_TYPES.values() for name in names])
        return next((name for name in possible if name != "null"), "null" if possible else "string")

    def _string(self, flat: Flat, _name: str, _depth: int) -> str:
        return make_string(flat, self._random, self._text.split() or ["nothing", "said"])

    def _boolean(self, _flat: Flat, name: str, _depth: int) -> bool:
        fit = sentiment.label_fit(name.replace("_", " "), self._sentiment)
        return fit > 0 if fit else self._random.random() < 0.5

    def _number(self, flat: Flat, name: str, _depth: int) -> int | float:
        share = self._random.random()
        if _GRADE_NAME.search(name):
            share = (self._sentiment + 1) / 2
        elif _CONFIDENCE_NAME.search(name):
            share = 0.6 + 0.39 * share
        return make_number(flat, share, whole="number" not in types_of(flat))

    def _enum_value(self, flat: Flat, name: str) -> Any:
        """Return a value of an enum: preferably one that fits the sentiment or occurs in the text."""
        values = _of_its_types(flat)
        if not values:
            return None
        if _GRADE_NAME.search(name) and all(type(value) in (int, float) for value in values):
            return sorted(values)[round((self._sentiment + 1) / 2 * (len(values) - 1))]
        if not self._plausible:
            return self._random.choice(values)
        words = set(_WORD.findall(self._text.lower()))
        ranks = [self._rank(value, words) for value in values]
        best = max(ranks)
        return self._random.choice([value for value, rank in zip(values, ranks, strict=True) if rank == best])

    def _rank(self, value: Any, words: set[str]) -> tuple[float, bool]:
        """Return how well a value fits the sentiment, and whether it occurs in the text."""
        if not isinstance(value, str):
            return 0, False
        return sentiment.label_fit(value, self._sentiment), value.lower() in words

    def _object(self, flat: Flat, _name: str, depth: int) -> dict[str, Any]:
        properties, required = flat.get("properties", {}), flat.get("required", [])
        optional = [
            name for name, schema in properties.items() if name not in required and schema is not False
        ]
        if depth >= MINIMAL_DEPTH:
            optional = []
        free = flat.get("maxProperties", math.inf) - len(required)
        names = [*required, *optional[: max(0, int(min(free, len(optional))))]]
        names += self._more_names(flat, names)
        order = {name: at for at, name in enumerate(properties)}
        names.sort(key=lambda name: order.get(name, len(order)))
        return {name: self.make_property(self._property(flat, name), name, depth + 1) for name in names}

    def make_property(self, schema: Any, name: str, depth: int) -> Any:
        """Return the value of one property of an object."""
        return self.make(schema, name, depth)

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
        """Return invented names if the schema wants, and allows, more properties than it names."""
        missing = flat.get("minProperties", 0) - len(names)
        patterns = list(flat.get("patternProperties", {}))
        if not patterns and flat.get("additionalProperties", False) is False:  # as xAI reads its absence
            return []
        named = flat.get("propertyNames")
        more: list[str] = []
        taken = {*names, ""}
        for number in range(max(0, missing) * 4):
            if len(more) == missing:
                break
            if patterns:
                name = make_matching(self._random.choice(patterns), self._random)
                name = f"{name}{number}" if name in taken else name
            elif named is not None:
                name = str(self.make({"allOf": [{"type": "string"}, named]}, depth=1))
            else:
                name = f"key_{number}"
            if name not in taken:
                more.append(name)
                taken.add(name)
        return more

    def make_array(self, flat: Flat, name: str, depth: int) -> list[Any]:
        """Return an array for a flat schema."""
        least, most = _item_range(flat)
        usual = max(least, 1, len(flat.get("prefixItems", [])))
        count = min(most, least if depth >= MINIMAL_DEPTH else usual + self._random.randint(0, 1))
        is_unique = flat.get("uniqueItems")
        made: list[Any] = []
        for at in range(count):
            made.append(self._next_item(_item_schema(flat, at), name, depth, made if is_unique else []))
        return _distinct(made, least) if is_unique else made

    def _next_item(self, schema: Any, name: str, depth: int, taken: list[Any]) -> Any:
        for _ in range(TRIES):
            value = self.make(schema, name, depth + 1)
            if value not in taken:
                break
        return value


def _of_its_types(flat: Flat) -> list[Any]:
    """Return the values of an enum that have one of the schema's types."""
    if "type" not in flat:
        return list(flat["enum"])
    types = set(types_of(flat))
    return [value for value in flat["enum"] if types.intersection(_json_types(value))]


def _item_range(flat: Flat) -> tuple[int, int]:
    """Return how many items an array has at least and at most."""
    prefix = flat.get("prefixItems", [])
    contained = flat.get("minContains", 1) if "contains" in flat else 0
    least = max(min(flat.get("minItems", 0), ITEMS_MAX), contained)
    most = flat.get("maxItems", max(least, len(prefix)) + 2)
    return least, min(most, len(prefix)) if flat.get("items") is False else most


def _item_schema(flat: Flat, at: int) -> Any:
    """Return the schema of one item; the first after the prefix are also those that must be contained."""
    prefix = flat.get("prefixItems", [])
    if at < len(prefix):
        return prefix[at]
    schema = flat.get("items", True)
    is_contained = "contains" in flat and at - len(prefix) < flat.get("minContains", 1)
    return {"allOf": [schema, flat["contains"]]} if is_contained else schema


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def _distinct(values: list[Any], least: int) -> list[Any]:
    """Return the values without duplicates, or unchanged if fewer than `least` would be left."""
    kept: list[Any] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return kept if len(kept) >= least else values


def _json_types(value: Any) -> tuple[str, ...]:
    """Return the JSON types of a value."""
    if isinstance(value, float) and value.is_integer():
        return ("number", "integer")
    return _JSON_TYPES[type(value)]
