"""What is known about a night and the nights before it: from this alone its report is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.evaluation.gate.score_sums import ScoreSums
    from runner.rules.evaluation.gate.scores import Scores
    from runner.rules.evaluation.suite.suite import Suite


class Column(NamedTuple):
    """What scores are of: the answers of one variant by one grader."""

    variant: str
    grader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A returned model and fingerprint, with the answers that came from it. Times are ms since 1970."""

    model: str | None
    fingerprint: str | None
    answers: int
    first_at_ms: int
    last_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerCounts:
    """The answers of a measurement: `expected` are items x epochs x variants.

    `refused`, `cut` and `empty` are answers and are graded; `lost` are none, counted by their error code or
    state. `redrawn`: answers that came later than the first readable one of their epoch, and do not count.
    """

    expected: int
    answered: int
    refused: int = 0
    cut: int = 0
    empty: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)
    redrawn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NightCosts:
    """What the answers of a night cost, in ticks; `uncertain_ticks` may come on top."""

    ticks: int
    uncertain_ticks: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """All items answered and graded once. `scores` has every column, and there every item of the night.

    An item has a score for each epoch: None where its answer has none, or is lost. `lost` counts the answers
    that each variant lost, by error code.
    """

    scores: Mapping[Column, Scores]
    answers: AnswerCounts
    lost: Mapping[str, Mapping[str, int]]
    services: Sequence[Service]
    run: int  # its id


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Hashes of what a night was made of, to say what has changed. `prompts` are by variant.

    `items` is without metadata; `printed` is of the metadata that templates print, None where they print none
    (or in a night of an earlier version).
    """

    prompts: Mapping[str, str]
    models: Mapping[str, str]
    graders: Mapping[str, str]  # by name
    items: str
    printed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastNight:
    """A night before this one that has a valid measurement.

    `first` is its first measurement, `scores` all of its measurements together, added up for each item of
    tonight in their order; without what it has no scores of. Both are only of items that are the same
    tonight, by graders that are the same. Only an accepted night is in the pool. `is_meant`: it regressed,
    and a person accepted it.
    """

    name: str
    occasion: str
    first: Mapping[Column, ScoreSums]
    scores: Mapping[Column, ScoreSums]
    is_accepted: bool
    pinned_as: str | None
    content: Content
    answers: AnswerCounts
    services: Sequence[Service]
    is_meant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChanges:
    """Items beside those of the newest night in the pool, by id; `changed` ones are not compared."""

    same: int
    added: Sequence[str] = ()
    removed: Sequence[str] = ()
    changed: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NightFacts:
    """A night. `again` is its repeated measurement; `past` are the nights before, oldest first.

    `unscored` says why answers of a column have no grade, with their number. `cannot_remeasure`: why it
    cannot be measured again, such as the budget; else None. `clusters` maps items to their clusters where the
    suite names them.
    """

    suite: Suite
    night: str
    occasion: str
    first: Measurement
    again: Measurement | None
    past: Sequence[PastNight]
    content: Content
    item_changes: ItemChanges
    costs: NightCosts
    cannot_remeasure: str | None = None
    unscored: Mapping[Column, Mapping[str, int]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)

    @property
    def measurements(self) -> Sequence[Measurement]:
        """Return the measurements of the night: one, or two."""
        return (self.first,) if self.again is None else (self.first, self.again)
