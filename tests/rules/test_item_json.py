"""Items as they are stored with their suite."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.evaluation.suite.item import Item
from runner.rules.evaluation.suite.item_json import decode_item, encode_item

WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ITEMS = st.builds(
    Item,
    id=WORDS,
    messages=st.lists(st.dictionaries(WORDS, VALUES, max_size=3), max_size=3),
    target=VALUES,
    choices=st.lists(WORDS, max_size=3).map(tuple),
    body=st.dictionaries(WORDS, VALUES, max_size=3),
    cluster=st.none() | WORDS,
    metadata=st.dictionaries(WORDS, VALUES, max_size=3),
)


@given(ITEMS)
def test_an_item_comes_back_as_it_was(item: Item) -> None:
    """With the same hash, so that it is compared with itself."""
    stored = decode_item(encode_item(item))

    assert stored == item
    assert stored.sha256 == item.sha256
    assert encode_item(stored) == encode_item(item)
