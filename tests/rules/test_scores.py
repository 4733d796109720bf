"""Two sides are compared on the items that both have measured; nothing unmeasured is a zero."""

from __future__ import annotations

import pytest

from runner.rules.evaluation.gate.scores import Scores, coverage, paired, pooled
from runner.rules.statistics.comparison import Paired


def test_only_items_with_a_score_on_both_sides_are_paired() -> None:
    first: Scores = {"a": [1, 0], "b": [None], "c": [1], "new": [1]}
    second: Scores = {"a": [1], "b": [1], "c": [None, 0], "old": [0]}

    found = paired(first, second)

    assert found.pairs == {"a": Paired(2, 1, 1, 1), "c": Paired(1, 1, 1, 0)}
    assert (found.only_first, found.only_second) == (("new",), ("old",))


def test_sums_of_an_item_are_whole_numbers_only_where_its_scores_are_0_or_1() -> None:
    binary = paired({"a": [1, 0]}, {"a": [1]}).pairs["a"]
    graded = paired({"a": [1, 0], "b": [0.5, 0.5]}, {"a": [1], "b": [1]}).pairs

    assert binary.is_binary
    assert not graded["b"].is_binary


def test_what_is_unmeasured_bounds_the_mean() -> None:
    """The mean is that of the items; an item counts once, however many answers it has."""
    side = coverage({"a": [1, None], "b": [0], "c": [None]})

    assert (side.answers, side.measured, side.mean) == (4, 2, 0.5)
    assert side.low == pytest.approx((0.5 + 0 + 0) / 3)
    assert side.high == pytest.approx((1 + 0 + 1) / 3)
    assert coverage({"a": [None]}).mean is None


def test_nights_are_pooled_by_item() -> None:
    assert pooled([{"a": [1]}, {"b": [0]}, {"a": [None, 0]}]) == {"a": [1, None, 0], "b": [0]}


def test_scores_of_0_and_1_are_whole_numbers_in_any_type() -> None:
    """A database gives 1.0 for 1; the exact test is for both."""
    assert paired({"a": [1.0, 0.0]}, {"a": [True]}).pairs["a"].is_binary
