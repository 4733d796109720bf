"""The result of `runner compare` as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from runner.rules.evaluation.gate.verdict import Verdict
from runner.rules.evaluation.report.verdicts import EXIT_CODES
from runner.rules.exit_codes import ExitCode
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.gate.night_gate import GateOutcome
    from runner.rules.evaluation.gate.scores import Coverage, Pairing
    from runner.rules.statistics.comparison import Difference


class ComparedSide(JsonObject, frozen=True, kw_only=True):
    """The answers of one side."""

    answers: Annotated[int, about("scored or not")]
    measured: Annotated[int, about("answers with a score")]
    mean: Annotated[float | None, about("over the items with a score, 0 to 1")]
    low: Annotated[float, about("the mean where every answer without a score is wrong")]
    high: Annotated[float, about("the mean where every answer without a score is right")]


class ChangedItem(JsonObject, frozen=True, kw_only=True):
    """An item whose mean score differs."""

    id: Annotated[str, about("the item")]
    mean: Annotated[float, about("of the first side")]
    base_mean: Annotated[float, about("of the second side")]


class ComparedChange(JsonObject, frozen=True, kw_only=True):
    """The change over the items of both sides."""

    items: Annotated[int, about("with a score on both sides")]
    mean: Annotated[float, about("of these items, on the first side")]
    base_mean: Annotated[float, about("of these items, on the second side")]
    change: Annotated[float, about("mean less base_mean")]
    low: Annotated[float, about("lower bound of the change, with 95 % confidence")]
    high: Annotated[float, about("upper bound of the change, with 95 % confidence")]
    p_drop: Annotated[float, about("how probable a drop as large is by chance")]
    p_rise: Annotated[float, about("how probable a rise as large is by chance")]


class Comparison(JsonObject, frozen=True, kw_only=True):
    """`runner compare`."""

    schema: Schema = SCHEMA
    verdict: Annotated[Verdict | None, about("of the gate; null: one file was compared with one")]
    exit_code: Annotated[int, about("of the command")]
    nights: Annotated[int, about("that the first side was compared with")]
    left_out: Annotated[list[str], about("nights without an item in common, which are not counted")]
    change: Annotated[ComparedChange | None, about("null: no baseline")]
    sides: Annotated[list[ComparedSide], about("the first and the second")]
    only_first: Annotated[int, about("items of the first side alone")]
    only_second: Annotated[int, about("items of the second side alone")]
    changed: Annotated[list[ChangedItem], about("the items that differ, the worst first")]


def comparison_object(
    found: Difference | None,
    pairing: Pairing,
    sides: Sequence[tuple[str, Coverage]],
    outcome: GateOutcome | None,
    nights: int,
    left_out: Sequence[str] = (),
) -> Comparison:
    """Return a comparison as an object; `outcome` is None where one file was compared with one.

    `left_out` are the names of nights that are not counted.
    """
    verdict = None if outcome is None else outcome.verdict
    worst_first = sorted(pairing.pairs.items(), key=lambda pair: pair[1].delta)
    return Comparison(
        verdict=verdict,
        exit_code=ExitCode.OK if verdict is None else EXIT_CODES[verdict],
        nights=nights,
        left_out=list(left_out),
        change=None if found is None else _change(found),
        sides=[
            ComparedSide(
                answers=side.answers, measured=side.measured, mean=side.mean, low=side.low, high=side.high
            )
            for _, side in sides
        ],
        only_first=len(pairing.only_first),
        only_second=len(pairing.only_second),
        changed=[
            ChangedItem(
                id=item, mean=pair.score_sum / pair.answers, base_mean=pair.base_score_sum / pair.base_answers
            )
            for item, pair in worst_first
            if pair.delta
        ],
    )


def _change(found: Difference) -> ComparedChange:
    low, high = found.interval()
    return ComparedChange(
        items=found.items,
        mean=found.mean,
        base_mean=found.base_mean,
        change=found.delta,
        low=low,
        high=high,
        p_drop=found.tails.lower,
        p_rise=found.tails.upper,
    )
