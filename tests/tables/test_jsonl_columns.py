"""The columns of JSONL, and their types."""

from __future__ import annotations

from typing import Any

import pytest

from runner.tables import jsonl_columns
from runner.tables.jsonl_columns import ColumnSurvey
from runner.tables.table import CellKind, TableError

LONG = 2**53 + 1
KINDS = [
    ([None], CellKind.TEXT),
    (["a", None], CellKind.TEXT),
    (["a", 1], CellKind.JSON),
    ([1, None], CellKind.INTEGER),
    ([LONG, 1], CellKind.INTEGER),
    ([2**63 - 1, -(2**63)], CellKind.INTEGER),
    ([2**63], CellKind.JSON),
    ([1.5], CellKind.NUMBER),
    ([1.5, 1e19], CellKind.JSON),
    ([1, 1.5], CellKind.NUMBER),
    ([LONG, 1.5], CellKind.JSON),
    ([-LONG, 1.5], CellKind.JSON),
    ([True, None], CellKind.BOOLEAN),
    ([True, 1], CellKind.JSON),
    ([[], ["a"]], CellKind.LIST),
    ([["a"], [None]], CellKind.JSON),
    ([["a"], "a"], CellKind.JSON),
    ([{}], CellKind.JSON),
]


@pytest.mark.parametrize(("values", "kind"), KINDS)
def test_a_columns_type_holds_all_its_values(values: list[Any], kind: CellKind) -> None:
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
