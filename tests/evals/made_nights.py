"""Nights for tests: facts made from scores, everything else as usual."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from runner.rules.evaluation.gate.score_sums import ScoreSums, score_sums
from runner.rules.evaluation.report.night_facts import (
    AnswerCounts,
    Column,
    Content,
    ItemChanges,
    Measurement,
    NightCosts,
    NightFacts,
    PastNight,
    Service,
)
from runner.rules.evaluation.suite.suite import GateSpec, GraderSpec, Subject, Suite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.evaluation.gate.scores import Score, Scores

NO_DROP: Final = GateSpec(rule="no-drop", grader="correct")
MEASURED: Final = GateSpec(rule="measured", at_least=0.98)
HOUR_MS: Final = 3_600_000
CONTENT: Final = Content(
    prompts={"": "p1"}, models={"": "grok-4"}, graders={"correct": "c1", "helpful": "h1"}, items="i1"
)
OLD: Final = Service(
    model="grok-4-0709", fingerprint="fp_7aa", answers=300, first_at_ms=HOUR_MS, last_at_ms=3 * HOUR_MS
)


def suite(*gates: GateSpec, epochs: int = 1, variants: Sequence[str] = ("",)) -> Suite:
    """Return a suite with the graders correct (primary) and helpful; without gates it has the usual ones."""
    return Suite(
        name="support",
        subjects=tuple(Subject(name=name, model="grok-4") for name in variants),
        graders=(
            GraderSpec(name="correct", type="exact", is_primary=True),
            GraderSpec(name="helpful", type="scores"),
        ),
        gates=gates or (NO_DROP, MEASURED),
        epochs=epochs,
    )


def scores(right: int, wrong: int = 0, unscored: int = 0, *, epochs: int = 1) -> Scores:
    """Return the scores of items q0, q1, …: the first are always right, the next wrong, the last unscored."""
    kinds: list[Score] = [*[1] * right, *[0] * wrong, *[None] * unscored]
    return {f"q{place}": [kind] * epochs for place, kind in enumerate(kinds)}


def columns(of: Scores | Mapping[Column, Scores]) -> Mapping[Column, Scores]:
    """Return scores as those of both graders of the only variant, unless they are by column already."""
    if of and isinstance(next(iter(of)), Column):
        return of  # type: ignore[return-value]
    return {Column("", "correct"): of, Column("", "helpful"): of}  # type: ignore[dict-item]


def measurement(of: Scores | Mapping[Column, Scores], run: int = 1, **changes: Any) -> Measurement:
    """Return a measurement with these scores."""
    found = columns(of)
    answers = sum(len(each) for each in next(iter(found.values())).values())
    usual = Measurement(
        scores=found,
        answers=AnswerCounts(expected=answers, answered=answers),
        lost={},
        services=[OLD],
        run=run,
    )
    return replace(usual, **changes)


def past(number: int, of: Scores | Mapping[Column, Scores], **changes: Any) -> PastNight:
    """Return an accepted earlier night with these scores; `facts` adds them up for the items of its night."""
    found = columns(of)
    usual = PastNight(
        name=f"support@2026-11-{number:02}",
        occasion=f"2026-11-{number:02}",
        first=found,  # type: ignore[arg-type]
        scores=found,  # type: ignore[arg-type]
        is_accepted=True,
        pinned_as=None,
        content=CONTENT,
        answers=AnswerCounts(expected=100, answered=100, refused=4, cut=2),
        services=[OLD],
    )
    return replace(usual, **changes)


def _added_up(scores: Mapping[Column, Any], items: Sequence[str]) -> dict[Column, ScoreSums]:
    return {column: score_sums(found, items) for column, found in columns(scores).items() if found}


def facts(
    first: Measurement, nights: Sequence[PastNight], *, again: Measurement | None = None, **changes: Any
) -> NightFacts:
    """Return the facts of a night."""
    items = list(next(iter(first.scores.values())))
    nights = [
        replace(night, first=_added_up(night.first, items), scores=_added_up(night.scores, items))
        for night in nights
    ]
    usual = NightFacts(
        suite=suite(),
        night="support@2026-11-28",
        occasion="2026-11-28",
        first=first,
        again=again,
        past=nights,
        content=CONTENT,
        item_changes=ItemChanges(same=len(next(iter(first.scores.values())))),
        costs=NightCosts(ticks=31_200_000_000, requests=100),
    )
    return replace(usual, **changes)
