"""Which items and graders of two nights are compared."""

from __future__ import annotations

import pytest

from runner.evals.compared_side import ComparedScores, comparable
from runner.rules.errors import UsageError

SCORES = {"a": [1.0], "b": [0.0]}
NIGHT = ComparedScores(name="new", scores=SCORES, item_hashes={"a": "1", "b": "2"}, grader_hash="g")


def test_an_item_with_other_content_is_another_item() -> None:
    """It stands on the side that has it, and is compared with nothing."""
    other = ComparedScores(name="old", scores=SCORES, item_hashes={"a": "1", "b": "9"}, grader_hash="g")
    assert comparable(NIGHT, other).scores == {"a": [1.0], "b (other content)": [0.0]}


def test_nights_that_were_graded_by_other_rules_are_not_compared() -> None:
    """The cure makes them comparable; a file of scores does not say what graded it."""
    other = ComparedScores(name="old", scores=SCORES, item_hashes=NIGHT.item_hashes, grader_hash="h")
    with pytest.raises(UsageError, match="graded by different graders") as refused:
        comparable(NIGHT, other)
    assert "runner regrade" in str(refused.value.fix)
    assert comparable(NIGHT, ComparedScores(name="old.csv", scores=SCORES)).scores == SCORES


def test_both_measurements_of_a_night_are_compared() -> None:
    """They are pooled, item by item."""
    twice = ComparedScores(name="old", scores=SCORES, again={"a": [0.0], "b": [None]})
    assert comparable(NIGHT, twice).scores == {"a": [1.0, 0.0], "b": [0.0, None]}
