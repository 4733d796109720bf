"""Instances of JSON schemas in which some properties are given by labels."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.simulator.label_marks import readings
from runner.simulator.scalars import TRIES
from runner.simulator.schema_instances import InstanceMaker, make_instance
from runner.simulator.schema_validation import accepts, part_accepts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from runner.simulator.flat_schemas import Flat

_IN_ARRAY: Final = "[]"  # a step of a path; no name of a mark has brackets
# With one of these keywords a label may fit one try and not the other.
_HAS_BRANCHES = re.compile(rb'"(?:anyOf|oneOf|allOf|if|dependent\w+)":')


def make_labelled(schema: Any, random: Random, text: str, labels: Mapping[str, str]) -> Any:
    """Return a value that satisfies the schema and has the labels that fit it; the rest as by make_instance.

    A label that names no property, or whose value the property does not allow, is left out. So are all
    labels if each fits its property but the schema does not allow them together.
    """
    raw = orjson.dumps(schema)
    best, most = None, -1
    for attempt in range(TRIES if _HAS_BRANCHES.search(raw) else 1):
        maker = _LabelledMaker(schema, raw, random, text, labels, plausible=attempt < TRIES // 2)
        value = maker.make(schema)
        if len(maker.placed) > most and accepts(raw, value):
            best, most = value, len(maker.placed)
        if most == len(labels):
            break
    return best if most >= 0 else make_instance(schema, random, text)


class _LabelledMaker(InstanceMaker):
    """Makes one instance; `placed` has the names of the labels it contains."""

    def __init__(
        self,
        root: Any,
        raw: bytes,
        random: Random,
        text: str,
        labels: Mapping[str, str],
        *,
        plausible: bool,
    ) -> None:
        super().__init__(root, random, text, plausible=plausible)
        self.placed: set[str] = set()
        self._raw = raw
        self._labels = labels
        self._path: list[str] = []

    def make_property(self, schema: Any, name: str, depth: int) -> Any:
        """Return the label of this property if there is one that fits, else a value as usual."""
        self._path.append(name)
        path = ".".join(self._path)
        label = self._labels.get(path)
        fitting = () if label is None else _fitting(self._raw, orjson.dumps(schema), label)
        if fitting:
            self.placed.add(path)
        value = fitting[0] if fitting else super().make_property(schema, name, depth)
        self._path.pop()
        return value

    def make_array(self, flat: Flat, name: str, depth: int) -> list[Any]:
        """Return an array as usual: no label is for an object within it."""
        self._path.append(_IN_ARRAY)
        value = super().make_array(flat, name, depth)
        self._path.pop()
        return value


@lru_cache(maxsize=4096)
def _fitting(schema: bytes, part: bytes, label: str) -> tuple[Any, ...]:
    """Return the values of a label that a part of the schema allows; both schemas are JSON."""
    return tuple(value for value in readings(label) if part_accepts(schema, orjson.loads(part), value))
