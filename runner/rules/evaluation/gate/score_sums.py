"""Scores of one side, added up item by item."""

from __future__ import annotations

from array import array
from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from runner.rules.statistics.comparison import Difference, Paired, difference

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

_BYTE_MAX: Final = 255
_Number = TypeVar("_Number", int, float)


class ScoreSums(NamedTuple):
    """What each item has, in an order of items that all sides share.

    How many of its answers have a score, the sum of the scores, and the sum of their squares, which is equal
    to it just where all are 0 or 1. A side of many items is held in arrays.
    """

    answers: Sequence[int]
    sums: Sequence[float]
    squares: Sequence[float]

    @property
    def is_binary(self) -> bool:
        """Return whether all scores are 0 or 1."""
        return self.sums is self.squares or self.sums == self.squares

    def total(self, place: int) -> float:
        """Return the sum of an item's scores, of type int where all are 0 or 1."""
        return _total(self.sums[place], self.squares[place])


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
    answers, sums, squares = [], [], []
    for item in items:
        known = [one for one in scores.get(item, ()) if one is not None]
        answers.append(len(known))
        sums.append(sum(known))
        squares.append(sum([one * one for one in known]))
    return packed(answers, sums, squares)


def packed(answers: Sequence[int], sums: Sequence[float], squares: Sequence[float]) -> ScoreSums:
    """Return the columns of a side in little memory: a byte a number where all scores are 0 or 1."""
    if sums == squares:
        whole = _counts([int(total) for total in sums])
        return ScoreSums(_counts(answers), whole, whole)
    return ScoreSums(_counts(answers), array("d", sums), array("d", squares))


def added(sides: Sequence[ScoreSums]) -> ScoreSums:
    """Return several sides, at least one, together."""
    answers = _summed([side.answers for side in sides])
    sums = _summed([side.sums for side in sides])
    if all(side.sums is side.squares for side in sides):
        return ScoreSums(answers, sums, sums)
    return ScoreSums(answers, sums, _summed([side.squares for side in sides]))


def paired_items(
    first: ScoreSums, base: ScoreSums, clusters: Sequence[Hashable] | None = None
) -> PairedItems:
    """Return two sides, item by item. `clusters` has the cluster of each item. Equal pairs are one object."""
    rows = zip(*first, *base, strict=True)
    kinds: dict[tuple[float, ...], Paired] = {}
    pairs: list[Paired] = []
    places = array("L")
    for place, row in enumerate(rows):
        if row[0] and row[3]:
            places.append(place)
            pairs.append(kinds.get(row) or kinds.setdefault(row, _paired(*row)))
    of_pairs = None if clusters is None else [clusters[place] for place in places]
    return PairedItems(pairs, places, of_pairs)


def _paired(
    answers: int, total: float, squares: float, base_answers: int, base_total: float, base_squares: float
) -> Paired:
    return Paired(answers, _total(total, squares), base_answers, _total(base_total, base_squares))


def _total(total: float, squares: float) -> float:
    return int(total) if total == squares else float(total)


def _summed(columns: Sequence[Sequence[_Number]]) -> list[_Number]:
    first, *others = columns
    found = list(first)
    for other in others:
        found = list(map(add, found, other))
    return found


def _counts(numbers: Sequence[int]) -> array[int]:
    return array("B" if max(numbers, default=0) <= _BYTE_MAX else "L", numbers)
