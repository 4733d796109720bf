"""What the database keeps of a report beside its JSON: the numbers for lists of nights."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

UNKNOWN_TICKS: Final = -1  # in the database, whose column has no NULL


class _Grader(Struct):
    is_primary: bool
    measured: int
    answers: int
    mean: float | None


class _Cost(Struct, frozen=True):
    ticks: int = 0


class _Service(Struct):
    model: str | None
    fingerprint: str | None
    answers: int


class _Report(Struct):
    graders: list[_Grader] = []
    services: list[_Service] = []
    cost: _Cost | None = _Cost()


class NightSummary(Struct, frozen=True, kw_only=True):
    """`mean` is that of the primary grader for the first variant; `measured` of its `answers` have a grade.

    `ticks` are UNKNOWN_TICKS where a run of the night was removed. `services` are (model, fingerprint,
    answers).
    """

    mean: float | None
    measured: int
    answers: int
    ticks: int
    services: list[tuple[str | None, str | None, int]]


def summarize(report: bytes) -> NightSummary:
    """Return the numbers of a NightReport that is given as JSON."""
    found = msgspec.json.decode(report, type=_Report)
    primary = next((grader for grader in found.graders if grader.is_primary), None)
    return NightSummary(
        mean=primary.mean if primary else None,
        measured=primary.measured if primary else 0,
        answers=primary.answers if primary else 0,
        ticks=UNKNOWN_TICKS if found.cost is None else found.cost.ticks,
        services=[(one.model, one.fingerprint, one.answers) for one in found.services],
    )


class _Reason(Struct):
    reason: str = ""


def reason_of(report: bytes) -> str:
    """Return why a NightReport that is given as JSON has its verdict, in a sentence."""
    return msgspec.json.decode(report, type=_Reason).reason
