"""JSON text of values that JSON has, and of others."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.json_text.answer_json import without_surrogates
from runner.tables.cell_text import cell_text
from runner.tables.json_text import json_text

TEXTS = st.text(max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


@given(JSON_VALUES)
def test_a_json_value_comes_back(value: object) -> None:
    """Integers of any size too."""
    assert json.loads(json_text(value)) == value


OTHERS = [
    (dt.datetime.fromisoformat("2026-01-02T03:04:05.000006"), '"2026-01-02T03:04:05.000006"'),
    (dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))), '"2026-01-02T00:00:00+02:00"'),
    (
        dt.datetime(1890, 1, 2, tzinfo=dt.timezone(dt.timedelta(seconds=-75))),
        '"1890-01-02T00:00:00-00:01:15"',
    ),
    (dt.date(2026, 1, 2), '"2026-01-02"'),
    (dt.time(3, 4), '"03:04:00"'),
    (dt.timedelta(days=1, microseconds=5), "86400.000005"),
    (Decimal("1.10"), '"1.10"'),
    (b"\x00\xff", '"AP8="'),
    (float("nan"), "null"),
    (float("-inf"), "null"),
    (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
    ([("a", 1)], '[["a",1]]'),
    ("a\ud800", '"a\N{REPLACEMENT CHARACTER}"'),
    ({1: 2}, '{"1":2}'),
]


@pytest.mark.parametrize(("value", "text"), OTHERS)
@pytest.mark.parametrize("beside", [None, 2**80, "\udfff"])
def test_other_values_have_one_text(value: object, text: str, beside: object) -> None:
    """The same beside a value that only the slow way can write."""
    with_other = json_text([value, beside]).decode()

    assert json_text(value).decode() == text
    assert with_other.startswith(f"[{text},")


def test_a_cell_has_the_same_text_without_quotes() -> None:
    """But for NaN and infinity, whose null would be an empty cell."""
    cells = [cell_text(value) for value, _ in OTHERS]
    unquoted = [text.strip('"') for _, text in OTHERS]

    assert [(c, u) for c, u in zip(cells, unquoted, strict=True) if c != u] == [
        ("NaN", "null"),
        ("-Infinity", "null"),
        ("a\ud800", "a\N{REPLACEMENT CHARACTER}"),  # the writer replaces it
    ]
    assert [cell_text(value) for value in (None, True, 1, 2**80, 0.1, "a", [1, None, float("nan")])] == [
        *("", "true", "1", str(2**80), "0.1", "a", "[1,null,null]")
    ]


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_a_text_without_surrogates_can_be_written(text: str) -> None:
    """Two halves side by side become their character."""
    assert json.loads(json_text(text)) == without_surrogates(text)
    assert without_surrogates("\ud83d\ude00") == "\N{GRINNING FACE}"
    assert not any(0xD800 <= ord(character) < 0xE000 for character in without_surrogates(text))
