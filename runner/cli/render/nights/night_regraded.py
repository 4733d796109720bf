"""What grading nights again has changed: lines of at most 80 columns, and a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from runner.cli.render import layout
from runner.cli.render.folded_text import folded
from runner.cli.render.layout import WIDTH
from runner.rules.evaluation.forms.night_words import short_name
from runner.rules.evaluation.plain_words import percent, verdict_words
from runner.rules.json_object import JsonObject, Schema, about

if TYPE_CHECKING:
    from runner.rules.evaluation.report.night_report import NightReport

_INDENT: Final = 2
_LINES_MAX: Final = 4


class RegradedNight(JsonObject, frozen=True, kw_only=True):
    """A night that was graded again."""

    night: str
    was: Annotated[str, about("its verdict before")]
    verdict: Annotated[str, about("its verdict now")]
    was_mean: Annotated[float | None, about("mean before")]
    mean: Annotated[float | None, about("of the primary grader, for the first variant")]
    measured: Annotated[int, about("answers with a score by it")]
    reason: Annotated[str, about("why it has its verdict now, in a sentence")]


class RegradedNights(JsonObject, frozen=True, kw_only=True):
    """`runner regrade`."""

    schema: Schema
    suite: str
    nights: Annotated[list[RegradedNight], about("oldest first")]
    without_answers: Annotated[list[str], about("nights whose run was removed: they keep their grades")]


def regraded_night(was: str, was_mean: float | None, report: NightReport) -> RegradedNight:
    """Return what has become of a night that had a verdict and a mean before."""
    primary = next(grader for grader in report.graders if grader.is_primary)
    return RegradedNight(
        night=report.night,
        was=was,
        verdict=report.verdict,
        was_mean=was_mean,
        mean=primary.mean,
        measured=primary.measured,
        reason=report.reason,
    )


def regraded_lines(night: RegradedNight) -> list[str]:
    """Return score and verdict of a night that was graded again, and why where the verdict is another one."""
    score, was_score = _score(night.mean), _score(night.was_mean)
    verdict, was = verdict_words(night.verdict), verdict_words(night.was)
    parts = (
        score if score == was_score else f"{score}, was {was_score}",
        verdict if verdict == was else f"{verdict}, was {was}",
    )
    line = f"{short_name(night.night)}  {'; '.join(parts)}"
    why = [] if verdict == was else folded(night.reason, WIDTH - _INDENT, _LINES_MAX)
    return [line, *layout.indented(why)]


def _score(mean: float | None) -> str:
    return "no score" if mean is None else percent(mean)
