"""Scores of one side, added up item by item."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.rules.statistics.comparison import Difference, Paired, difference

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence


class ScoreSums(NamedTuple):
    """What each item has, in an order of items that all sides share.

    How many of its answers have a score, the sum of the scores (of type int where all are 0 or 1), and the
    sum of their squares.
    """

    answers: Sequence[int]
    sums: Sequence[float]
    squares: Sequence[float]


class PairedItems(NamedTuple):
    """Two sides: a pair for each item that both have a score of, with its cluster where there are clusters.

    `places` are those of the items in the order that the sides share.
    """

    pairs: Sequence[Paired]
    places: Sequence[int]
    clusters: Sequence[Hashable] | None = None

    def difference(self) -> Difference:
        """Return what the two sides say about each other; there is at least one pair."""
        return difference(self.pairs, self.clusters)


def score_sums(scores: Mapping[str, Sequence[float | None]], items: Iterable[str]) -> ScoreSums:
    """Return the scores of one side added up; an item without any has 0 answers."""
    known = [[one for one in scores.get(item, ()) if one is not None] for item in items]
    return ScoreSums(
        answers=tuple(map(len, known)),
        sums=tuple(map(_sum, known)),
        squares=tuple(_sum([one * one for one in found]) for found in known),
    )


def added(sides: Sequence[ScoreSums]) -> ScoreSums:
    """Return several sides, at least one, together."""
    return ScoreSums(*(tuple(map(sum, zip(*column, strict=True))) for column in zip(*sides, strict=True)))


def paired_items(
    first: ScoreSums, base: ScoreSums, clusters: Sequence[Hashable] | None = None
) -> PairedItems:
    """Return two sides, item by item. `clusters` has the cluster of each item."""
    rows = zip(first.answers, first.sums, base.answers, base.sums, strict=True)
    found = [(place, Paired._make(row)) for place, row in enumerate(rows) if row[0] and row[2]]
    places = [place for place, _ in found]
    of_pairs = None if clusters is None else [clusters[place] for place in places]
    return PairedItems([pair for _, pair in found], places, of_pairs)


def _sum(found: Sequence[float]) -> float:
    total = sum(found)
    return int(total) if all(one in (0, 1) for one in found) else float(total)
