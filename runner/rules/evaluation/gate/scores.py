"""Scores of answers by item: how many were measured, and the items that two sides have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from runner.rules.evaluation.gate.score_sums import paired_items, score_sums

if TYPE_CHECKING:
    from runner.rules.statistics.comparison import Paired

Score = float | None  # 0 to 1; None where the answer was not scored
Scores = Mapping[str, Sequence[Score]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The answers of one side. `mean` is over the items that have a score; `low` and `high` are the means
    where each answer without a score counts as 0, and as 1.
    """

    answers: int
    measured: int
    mean: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Two sides: `pairs` of the items that both have a score of, by id, and the items of one side alone."""

    pairs: Mapping[str, Paired]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def coverage(scores: Scores) -> Coverage:
    """Return how many answers of a side have a score, and its mean; there is at least one item."""
    measured = 0
    means, lows, highs = [], [], []
    for found in scores.values():
        known = _known(found)
        measured += len(known)
        lows.append(sum(known) / len(found))
        highs.append(1 - sum(1 - one for one in known) / len(found))
        if known:
            means.append(fmean(known))
    return Coverage(
        answers=sum(map(len, scores.values())),
        measured=measured,
        mean=fmean(means) if means else None,
        low=fmean(lows),
        high=fmean(highs),
    )


def paired(first: Scores, second: Scores) -> Pairing:
    """Return what two sides have in common. Sums of an item are of type int where its scores are 0 or 1."""
    items = [item for item in first if item in second]
    found = paired_items(score_sums(first, items), score_sums(second, items))
    return Pairing(
        pairs={items[place]: pair for place, pair in zip(found.places, found.pairs, strict=True)},
        only_first=_only(first, second),
        only_second=_only(second, first),
    )


def have_common_items(first: Scores, second: Scores) -> bool:
    """Return whether there is an item that both sides have a score of."""
    return any(_known(found) and _known(second.get(item, ())) for item, found in first.items())


def pooled(nights: Iterable[Scores]) -> Scores:
    """Return the scores of several nights together."""
    pool: dict[str, list[Score]] = {}
    for night in nights:
        for item, found in night.items():
            pool.setdefault(item, []).extend(found)
    return pool


def _only(first: Scores, second: Scores) -> tuple[str, ...]:
    return tuple(item for item in first if item not in second)


def _known(found: Sequence[Score]) -> list[float]:
    return [one for one in found if one is not None]
