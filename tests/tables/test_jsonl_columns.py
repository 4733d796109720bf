"""The columns of JSONL, and their types."""

from __future__ import annotations

from typing import Any

import pytest

from runner.tables import jsonl_columns
from runner.tables.jsonl_columns import ColumnSurvey
from runner.tables.table import Kind, TableError

LONG = 2**53 + 1
KINDS = [
    ([None], Kind.TEXT),
    (["a", None], Kind.TEXT),
    (["a", 1], Kind.JSON),
    ([1, None], Kind.INTEGER),
    ([LONG, 1], Kind.INTEGER),
    ([2**63 - 1, -(2**63)], Kind.INTEGER),
    ([2**63], Kind.JSON),
    ([1.5], Kind.NUMBER),
    ([1.5, 1e19], Kind.JSON),
    ([1, 1.5], Kind.NUMBER),
    ([LONG, 1.5], Kind.JSON),
    ([-LONG, 1.5], Kind.JSON),
    ([True, None], Kind.BOOLEAN),
    ([True, 1], Kind.JSON),
    ([[], ["a"]], Kind.LIST),
    ([["a"], [None]], Kind.JSON),
    ([["a"], "a"], Kind.JSON),
    ([{}], Kind.JSON),
]


@pytest.mark.parametrize(("values", "kind"), KINDS)
def test_a_columns_type_holds_all_its_values(values: list[Any], kind: Kind) -> None:
    """Whatever comes first; where no type holds all of them it is JSON."""
    for order in (values, values[::-1]):
        survey = ColumnSurvey()
        for value in order:
            survey.add({"x": value})

        assert survey.kinds == {"x": kind}


def test_columns_stand_in_the_order_in_which_they_come() -> None:
    """A key that comes in the last row is a column too."""
    survey = ColumnSurvey()
    survey.add({"b": 1, "a": 2})
    survey.add({"c": 1, "a": "x"})

    assert list(survey.kinds) == ["b", "a", "c"]


def test_keys_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows whose keys are values would fill the memory."""
    monkeypatch.setattr(jsonl_columns, "COLUMNS_MAX", 2)
    survey = ColumnSurvey()
    survey.add({"a": 1, "b": 2})
    with pytest.raises(TableError, match="more than 2 different keys"):
        survey.add({"c": 1})
