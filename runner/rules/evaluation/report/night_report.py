"""The report of a night: NIGHT.eval.json, and the source of all its other forms."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, UnsetType, field

from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.json_object import MONEY, JsonObject, Moment, Schema, about


class GateReport(JsonObject, frozen=True, kw_only=True):
    """What one gate says."""

    variant: Annotated[str, about('of the subject; "" where the suite has one')]
    grader: Annotated[str | None, about("null: the gate is for all answers")]
    rule: Annotated[str, about("no-drop, no-worse, at-least or measured")]
    verdict: Verdict
    text: Annotated[str, about("why, in a sentence")]
    baseline: Annotated[list[str], about("names of the nights that it was compared with")]
    is_provisional: Annotated[bool, about("few nights")]
    is_repeated: Annotated[bool, about("by both measurements of the night")]
    p: Annotated[float | None, about("how probable a result as bad is by chance, noise of nights included")]
    alpha: Annotated[float | None, about("the gate alarms where p is not above it")]
    z: Annotated[float | None, about("of the first measurement, in standard deviations, without that noise")]
    noise: Annotated[float | None, about("variance of z over the nights before; 1 is none")]
    is_deciding: Annotated[bool, about("the verdict of the night is that of this gate")] = False


class ScoreChange(JsonObject, frozen=True, kw_only=True):
    """A score beside that of the baseline, over the items that both have."""

    items: Annotated[int, about("with a score on both sides")]
    mean: Annotated[float, about("of these items, in this night")]
    base_mean: Annotated[float, about("of these items, in the baseline")]
    change: Annotated[float, about("mean less base_mean")]
    low: Annotated[float, about("lower bound of the change, with 95 % confidence")]
    high: Annotated[float, about("upper bound of the change, with 95 % confidence")]
    p_drop: Annotated[float, about("how probable a drop as large is by chance")]
    p_rise: Annotated[float, about("how probable a rise as large is by chance")]
    p_adjusted: Annotated[
        float | None, about("the smaller of both, doubled, and corrected for the number of graders (Holm)")
    ]
    detectable: Annotated[float | None, about("the drop that would be found in 8 of 10 nights")]
    nights: Annotated[int, about("of the baseline")]


class GraderReport(JsonObject, frozen=True, kw_only=True):
    """The score of one grader for one variant."""

    variant: Annotated[str, about('of the subject; "" where the suite has one')]
    grader: str
    is_primary: bool
    is_gating: Annotated[bool, about("whether a gate is for it")]
    answers: Annotated[int, about("asked for")]
    measured: Annotated[int, about("answers with a score")]
    mean: Annotated[float | None, about("over the items with a score, 0 to 1")]
    low: Annotated[float | None, about("lower bound of the mean, with 95 % confidence")]
    high: Annotated[float | None, about("upper bound of the mean, with 95 % confidence")]
    worst: Annotated[float, about("the mean where every answer without a score is wrong")]
    best: Annotated[float, about("the mean where every answer without a score is right")]
    change: Annotated[ScoreChange | None, about("null: no baseline yet")]
    unscored: Annotated[
        dict[str, int], about("answers that a grader could not grade, by the reason; the 5 commonest")
    ] = field(default_factory=dict)


class ItemReport(JsonObject, frozen=True, kw_only=True):
    """An item that scores otherwise than in the baseline, by the primary grader."""

    variant: str
    id: str
    answers: int
    score: Annotated[float, about("sum over its answers")]
    base_answers: int
    base_score: Annotated[float, about("sum over its answers in the baseline")]
    p_adjusted: Annotated[
        float | None,
        about("how probable this is by chance, corrected for the number of items (Benjamini-Hochberg)"),
    ] = None


class ItemsReport(JsonObject, frozen=True, kw_only=True):
    """The items of the night beside those of the baseline, by the primary grader."""

    total: int
    same: Annotated[int, about("as in the newest night of the baseline")]
    added: list[str]
    removed: list[str]
    changed: Annotated[list[str], about("other content under the same id: not compared")]
    worse: Annotated[int, about("items with a lower mean than in the baseline, those of each variant")]
    better: Annotated[int, about("items with a higher mean, those of each variant")]
    changes: Annotated[list[ItemReport], about("the items that differ, the worst first; at most 100")]


class AnswersReport(JsonObject, frozen=True, kw_only=True):
    """The answers of the night, both measurements together; `was_` are those of the newest baseline night."""

    expected: Annotated[int, about("items x epochs x variants")]
    answered: int
    refused: Annotated[int, about("declined by the model; they are graded")]
    cut: Annotated[int, about("ended by the token limit; they are graded")]
    empty: Annotated[int, about("without text; they are graded")]
    lost: Annotated[dict[str, int], about("without an answer, by error code")]
    redrawn: Annotated[int, about("later answers of an epoch that has one: paid, not graded")]
    was_refused: int | None
    was_cut: int | None
    was_empty: int | None


class ServiceReport(JsonObject, frozen=True, kw_only=True):
    """A model and fingerprint that answered."""

    model: str | None
    fingerprint: str | None
    answers: int
    first_at: Moment
    last_at: Moment
    is_new: Annotated[bool, about("no night of the baseline has answers of it")]


class ChangeReport(JsonObject, frozen=True, kw_only=True):
    """Something that differs from the newest night of the baseline."""

    what: Literal["model", "service", "prompt", "items", "graders"]
    text: Annotated[str, about("in a sentence")]


class NightCost(JsonObject, frozen=True, kw_only=True):
    """What the night cost."""

    ticks: Annotated[int, about(MONEY)]
    uncertain_ticks: Annotated[int, about("that may come on top")]
    requests: Annotated[int, about("accepted by the API")]


class NightReport(JsonObject, frozen=True, kw_only=True):
    """`runner eval`: a night of a suite, its verdict, and why."""

    schema: Schema
    suite: str
    night: Annotated[str, about("SUITE@OCCASION")]
    occasion: str
    verdict: Verdict
    exit_code: Annotated[
        int, about("of the command: 0; 10, regressed; 11, no verdict or not proven; 9, its run was cancelled")
    ]
    reason: Annotated[str, about("why, in a sentence")]
    runs: Annotated[list[int], about("the runs of its measurements")]
    epochs: int
    baseline: Annotated[list[str], about("names of the nights of the pool, oldest first")]
    gates: list[GateReport]
    graders: list[GraderReport]
    answers: AnswersReport
    items: ItemsReport
    services: list[ServiceReport]
    changes: Annotated[list[ChangeReport], about("what may be the cause; empty: nothing is known to differ")]
    cost: Annotated[NightCost | None, about("null: unknown, as a run of the night was removed")]
    mark: Annotated[str | UnsetType, about("in a file: of the night; files of others are not replaced")] = (
        UNSET
    )
