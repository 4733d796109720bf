"""Scores, changes, chances and verdicts in words."""

from __future__ import annotations

import pytest

from runner.rules.evaluation.plain_words import (
    once_in_nights,
    percent,
    points,
    points_change,
    verdict_words,
)


@pytest.mark.parametrize(
    ("share", "words"), [(0, "0.0 %"), (0.8125, "81.2 %"), (0.9999, "99.9 %"), (1, "100.0 %")]
)
def test_only_all_of_it_is_100_percent(share: float, words: str) -> None:
    """A score with one wrong answer of thousands is not shown as if there was none."""
    assert percent(share) == words


@pytest.mark.parametrize(
    ("change", "words"), [(-0.046, "-4.6"), (-0.0004, "+0.0"), (0, "+0.0"), (1, "+100.0")]
)
def test_a_change_that_is_rounded_to_nothing_has_no_minus(change: float, words: str) -> None:
    """The same on the screen, in files and in the sentences of gates."""
    assert points(change) == words
    assert points_change(change, -1, change) == f"{words} points (-100.0 to {words})"


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (1.0, "in most nights"),
        (0.5, "once in 2 nights"),
        (0.004, "once in 250 nights"),
        (1 / 1234, "once in 1,200 nights"),
        (1e-6, "less than once in 1,000,000 nights"),
        (0.0, "less than once in 1,000,000 nights"),
    ],
)
def test_a_chance_is_given_in_nights(p: float, words: str) -> None:
    """With two digits, as more are not known."""
    assert once_in_nights(p) == words


def test_a_verdict_within_a_sentence_has_no_underscore() -> None:
    """Programs get `not_proven`, people `not proven`."""
    assert verdict_words("not_proven") == "not proven"
