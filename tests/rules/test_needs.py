"""A worker works on runs whose needs it knows."""

from __future__ import annotations

import pytest

from runner.rules.needs import are_known


@pytest.mark.parametrize(
    ("needs", "known"),
    [(None, True), ("", True), ("labels", True), ("labels packs", False), ("packs", False)],
)
def test_one_unknown_word_is_enough(needs: str | None, known: bool) -> None:
    """It names something that answers need."""
    assert are_known(needs) is known
