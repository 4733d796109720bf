"""Which labels of a run are counted by their value: those that can have only a few values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.storable_text import is_storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INTEGERS_MAX: Final = 100  # of a field of whole numbers
VALUES_MAX: Final = 1_000  # of any field: the counters of a run are read several times a second
_NULL: Final = "null"
_TRUTHS: Final = ("true", "false")


def counted_names(fields: Iterable[LabelField]) -> tuple[str, ...]:
    """Return the names of the fields that are counted: of a few texts, or lists of them, or whole numbers."""
    return tuple(field.name for field in fields if _is_counted(field))


def counted_words(names: Iterable[str], labels: Mapping[str, Any]) -> tuple[str, ...]:
    """Return "field=value" for each counted field of a valid answer; of a list for each value in it."""
    found: list[str] = []
    for name in names:
        value = labels[name]
        if isinstance(value, list):
            found += [f"{name}={_word(one)}" for one in dict.fromkeys(value)]
        else:
            found.append(f"{name}={_word(value)}")
    return tuple(found)


def in_order(field: LabelField, counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of a field's values in the order of its definition, numbers ascending.

    What the definition does not name, such as null, comes last, the commonest first.
    """
    named = _TRUTHS if field.kind is LabelKind.BOOLEAN else field.values or ()
    places: dict[str, float] = {value: place for place, value in enumerate(named)}
    if field.kind is LabelKind.INTEGER:
        places = {value: float(value) for value in counts if value != _NULL}
    others = sorted(counts.keys() - places.keys(), key=lambda value: (-counts[value], value))
    return {
        value: counts[value] for value in [*sorted(counts.keys() & places, key=places.__getitem__), *others]
    }


def _is_counted(field: LabelField) -> bool:
    if not is_storable(field.name):
        return False
    if field.kind in (LabelKind.TEXT, LabelKind.LIST) and field.values is not None:
        return len(field.values) <= VALUES_MAX and all(map(is_storable, field.values))
    if field.kind is LabelKind.INTEGER and field.low is not None and field.high is not None:
        return field.high - field.low < INTEGERS_MAX
    return field.kind is LabelKind.BOOLEAN


def _word(value: str | float | None) -> str:
    """Return how a value is written in a counter."""
    if isinstance(value, str):
        return value
    if value is None:
        return _NULL
    return str(value).lower() if isinstance(value, bool) else str(value)
