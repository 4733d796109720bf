"""Hypothesis strategies: label texts of the short language, and answers that fit them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from runner.rules.labels.label_field import LabelField, LabelKind
from runner.rules.labels.label_language import parse_labels

_NAMES = st.text(alphabet="abcxyzé_0", min_size=1, max_size=6).filter(lambda name: name[0] not in "_0")
_VALUES = st.lists(
    st.text(alphabet='ab ."{}\\é€😀:', min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda value: value and value[0] not in '"{' and value[-1] not in '"}'),  # these are refused
    min_size=2,
    max_size=4,
    unique=True,
).map("|".join)
_BOUNDS = st.tuples(st.integers(-1_000, 1_000), st.integers(1, 1_000))
_TYPES = st.one_of(
    st.sampled_from(["text", "integer", "number", "yes/no", "[text]"]),
    _VALUES,
    _VALUES.map("[{}]".format),
    _BOUNDS.map(lambda pair: f"{pair[0]}..{pair[0] + pair[1]}"),
    _BOUNDS.map(lambda pair: f"{pair[0]}.5..{pair[0] + pair[1]}.5"),
)
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def label_fields(draw: st.DrawFn) -> list[LabelField]:
    """Return the fields of a text with every form of the language."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=5, unique=True))
    lines = [f"{name}{draw(st.sampled_from(['', '?']))}: {draw(_TYPES)}" for name in names]
    parsed = parse_labels("\n".join(lines), lambda _name: [])
    assert not parsed.faults
    return parsed.fields


def _values(field: LabelField) -> st.SearchStrategy[Any]:
    texts = st.sampled_from(field.values) if field.values else _TEXTS
    match field.kind:
        case LabelKind.TEXT:
            return texts
        case LabelKind.LIST:
            return st.lists(texts, max_size=3)
        case LabelKind.BOOLEAN:
            return st.booleans()
        case LabelKind.INTEGER:
            low, high = (-(2**63), 2**63 - 1) if field.low is None else (field.low, field.high)
            return st.integers(low, high)  # type: ignore[arg-type]
        case _:
            return st.floats(field.low, field.high, allow_nan=False, allow_infinity=False)


@st.composite
def fitting_answers(draw: st.DrawFn, fields: list[LabelField]) -> dict[str, Any]:
    """Return an object that fits fields, null where one may be."""
    return {
        field.name: draw(st.none() | _values(field) if field.is_nullable else _values(field))
        for field in fields
    }
