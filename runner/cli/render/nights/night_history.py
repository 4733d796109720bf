"""The nights of a suite as a table and as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from runner.cli.render import layout, text
from runner.rules.evaluation.plain_words import percent, verdict_words
from runner.rules.json_object import MONEY, SCHEMA, JsonObject, Moment, Schema, about
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.evaluation.history import HistoryNight

_HEADINGS: Final = ("night", "verdict", "score", "measured", "cost", "baseline", "answered by")
_LENGTH: Final = 24  # of an occasion, and of the name of a pinned night
_SERVICE_LENGTH_MIN: Final = 12


class HistoryService(JsonObject, frozen=True, kw_only=True):
    """A model and fingerprint that answered."""

    model: str | None
    fingerprint: str | None
    answers: int


class NightEntry(JsonObject, frozen=True, kw_only=True):
    """A night; what its verdict says is null while it has none."""

    night: Annotated[str, about("SUITE@OCCASION")]
    occasion: str
    state: Literal["open", "ended"]
    created_at: Moment
    verdict: Annotated[str | None, about("as in the report of the night")]
    exit_code: int | None
    score: Annotated[float | None, about("mean by the primary grader, of the first variant, 0 to 1")]
    measured: Annotated[int | None, about("answers with a grade by it")]
    answers: Annotated[int | None, about("asked for")]
    spent_ticks: Annotated[
        int | None, about(f"{MONEY}; null beside a verdict: a run of the night was removed")
    ]
    is_valid: Annotated[bool, about("enough of it was measured")]
    is_accepted: Annotated[bool, about("later nights may be compared with it")]
    pinned_as: str | None
    services: list[HistoryService]


class NightHistory(JsonObject, frozen=True, kw_only=True):
    """`runner history`: the nights of a suite."""

    schema: Schema
    suite: str
    nights: Annotated[list[NightEntry], about("the oldest first")]


def history_object(suite: str, nights: Sequence[HistoryNight]) -> NightHistory:
    """Return the object of `history --json`."""
    return NightHistory(schema=SCHEMA, suite=suite, nights=[_entry(night) for night in nights])


def history_lines(nights: Sequence[HistoryNight]) -> list[str]:
    """Return a heading and a line for each night; services are cut where a line would exceed 80 columns."""
    bare = layout.table([_HEADINGS, *((*_cells(night), "") for night in nights)], right=_RIGHT)
    spare = layout.WIDTH - max(map(len, bare[1:]), default=0) - 2
    length = max(spare, _SERVICE_LENGTH_MIN)
    rows = [(*_cells(night), one_line(_services(night), length)) for night in nights]
    return [*layout.table([_HEADINGS, *rows], right=_RIGHT), *_scored_variant(nights)]


def _scored_variant(nights: Sequence[HistoryNight]) -> list[str]:
    """Return of which variant the scores are, where the newest night has several."""
    variants = nights[-1].variants if nights else ()
    if len(variants) < 2:
        return []
    name = one_line(variants[0], _LENGTH)
    return [f"score and measured are those of the variant {name}, the first of {len(variants):,}"]


_RIGHT: Final = frozenset({2, 3, 4})


def state_words(verdict: str | None) -> str:
    """Return the verdict of a night as it is listed; None: it has none yet."""
    return "open" if verdict is None else verdict_words(verdict)


def _cells(night: HistoryNight) -> tuple[str, ...]:
    return (
        one_line(night.name.rpartition("@")[2], _LENGTH),
        state_words(night.verdict),
        "-" if night.mean is None else percent(night.mean),
        percent(night.measured / night.answers) if night.measured and night.answers else "-",
        _cost(night),
        _baseline(night),
    )


def _cost(night: HistoryNight) -> str:
    if night.ticks is not None:
        return text.dollars(night.ticks)
    return "-" if night.verdict is None else "unknown"


def _baseline(night: HistoryNight) -> str:
    if night.pinned_as is not None:
        return one_line(night.pinned_as, _LENGTH)
    return "accepted" if night.is_accepted else "-"


def _services(night: HistoryNight) -> str:
    by_answers = sorted(night.services, key=lambda service: -service[2])
    names = ", ".join(" ".join(filter(None, service[:2])) or "unnamed" for service in by_answers)
    is_removed = night.verdict is not None and night.ticks is None
    return names or "(run removed)" * is_removed


def _entry(night: HistoryNight) -> NightEntry:
    return NightEntry(
        night=night.name,
        occasion=night.occasion,
        state=night.state.value,
        created_at=text.iso(night.created_at_ms),
        verdict=night.verdict,
        exit_code=night.exit_code,
        score=night.mean,
        measured=night.measured,
        answers=night.answers,
        spent_ticks=night.ticks,
        is_valid=night.is_valid,
        is_accepted=night.is_accepted,
        pinned_as=night.pinned_as,
        services=[
            HistoryService(model=model, fingerprint=fingerprint, answers=answers)
            for model, fingerprint, answers in night.services
        ],
    )
