"""Labels are counted by their values where these are few; anything else would be a counter a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.labels.label_counts import INTEGERS_MAX, VALUES_MAX, counted_names, counted_words, in_order
from runner.rules.labels.label_field import LabelField, LabelKind

if TYPE_CHECKING:
    import random

MANY = tuple(str(n) for n in range(VALUES_MAX + 1))


def label(kind: LabelKind, **others: Any) -> LabelField:
    name = others.pop("name", "a")
    return LabelField(name=name, kind=kind, path=(name,), **others)


@pytest.mark.parametrize(
    ("field", "is_counted"),
    [
        (label(LabelKind.TEXT, values=("good", "bad")), True),
        (label(LabelKind.TEXT, values=MANY[:-1]), True),
        (label(LabelKind.TEXT, values=MANY), False),
        (label(LabelKind.TEXT), False),
        (label(LabelKind.TEXT, values=("a\0", "b")), False),
        (label(LabelKind.TEXT, values=("\ud83d", "b")), False),
        (label(LabelKind.TEXT, name="a\0", values=("a", "b")), False),
        (label(LabelKind.INTEGER, low=1, high=INTEGERS_MAX), True),
        (label(LabelKind.INTEGER, low=0, high=INTEGERS_MAX), False),
        (label(LabelKind.INTEGER, low=1), False),
        (label(LabelKind.INTEGER), False),
        (label(LabelKind.NUMBER, low=1, high=2), False),
        (label(LabelKind.BOOLEAN, is_nullable=True), True),
        (label(LabelKind.LIST, values=("a", "b")), True),
        (label(LabelKind.LIST), False),
        (label(LabelKind.JSON), False),
    ],
)
def test_only_fields_of_few_values_are_counted(field: LabelField, is_counted: bool) -> None:
    """A database takes each of their words."""
    assert bool(counted_names([field])) is is_counted


@pytest.mark.parametrize(
    ("value", "word"),
    [("good", "a=good"), (3, "a=3"), (True, "a=true"), (False, "a=false"), (None, "a=null")],
)
def test_a_word_is_the_field_and_its_value(value: object, word: str) -> None:
    """As JSON writes it, and a text without quotes."""
    assert counted_words(["a"], {"a": value, "b": "not counted"}) == (word,)


def test_a_list_counts_each_of_its_values_once() -> None:
    """An answer that repeats one is one answer; an empty list counts nothing."""
    labels = {"a": ["price", "quality", "price"], "b": [], "c": None}

    assert counted_words(["a", "b", "c"], labels) == ("a=price", "a=quality", "c=null")


@given(st.lists(st.integers(1, 5) | st.none(), min_size=1))
def test_there_are_no_more_counters_than_values(values: list[int | None]) -> None:
    """Whatever the answers are."""
    names = counted_names([label(LabelKind.INTEGER, low=1, high=5, is_nullable=True)])

    words = {word for value in values for word in counted_words(names, {"a": value})}

    assert len(words) == len(set(values)) <= 6


@pytest.mark.parametrize(
    ("field", "values"),
    [
        (label(LabelKind.TEXT, values=("z", "a", "m")), ["z", "m", "null"]),
        (label(LabelKind.LIST, values=("z", "a", "m")), ["z", "a", "m"]),
        (label(LabelKind.INTEGER, low=-1, high=10), ["-1", "2", "9", "10", "null"]),
        (label(LabelKind.BOOLEAN), ["true", "false", "null"]),
        (label(LabelKind.TEXT, values=("a",)), ["a", "often", "an odd one", "null"]),
    ],
)
@given(st.randoms())
def test_counts_are_in_the_order_of_the_definition(
    field: LabelField, values: list[str], chance: random.Random
) -> None:
    """What it does not name comes last, the commonest first, whatever order they came in."""
    counts = dict.fromkeys(values, 1) | ({"often": 5} if "often" in values else {})
    shuffled = chance.sample(values, len(values))

    assert list(in_order(field, {value: counts[value] for value in shuffled})) == values
