"""What grading nights again has changed: a line and a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from runner.rules.evaluation.forms.night_words import short_name
from runner.rules.evaluation.plain_words import percent, verdict_words
from runner.rules.json_object import JsonObject, Schema, about

if TYPE_CHECKING:
    from runner.rules.evaluation.night_report import NightReport


class RegradedNight(JsonObject, frozen=True, kw_only=True):
    """A night that was graded again."""

    night: str
    was: Annotated[str, about("its verdict before")]
    verdict: Annotated[str, about("its verdict now")]
    mean: Annotated[float | None, about("of the primary grader, for the first variant")]
    measured: Annotated[int, about("answers with a score by it")]


class RegradedNights(JsonObject, frozen=True, kw_only=True):
    """`runner regrade`."""

    schema: Schema
    suite: str
    nights: Annotated[list[RegradedNight], about("oldest first")]
    without_answers: Annotated[list[str], about("nights whose run was removed: they keep their grades")]


def regraded_night(was: str, report: NightReport) -> RegradedNight:
    """Return what has become of a night."""
    primary = next(grader for grader in report.graders if grader.is_primary)
    return RegradedNight(
        night=report.night, was=was, verdict=report.verdict, mean=primary.mean, measured=primary.measured
    )


def regraded_line(night: RegradedNight) -> str:
    """Return a night that was graded again as a line."""
    score = "no score" if night.mean is None else percent(night.mean)
    verdict = verdict_words(night.verdict)
    changed = verdict if night.was == night.verdict else f"{verdict}, was {verdict_words(night.was)}"
    return f"{short_name(night.night)}  {score}  {changed}"
