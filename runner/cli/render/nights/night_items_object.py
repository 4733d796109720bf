"""All items of a night that score otherwise than in the baseline, as a JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from runner.rules.evaluation.forms.score_words import item_change
from runner.rules.evaluation.report.night_report import ItemReport
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runner.rules.evaluation.report.night_report import NightReport


class NightItems(JsonObject, frozen=True, kw_only=True):
    """`runner compare NIGHT --items`: the items that score otherwise than in the baseline."""

    schema: Schema = SCHEMA
    suite: str
    night: Annotated[str, about("SUITE@OCCASION")]
    baseline: Annotated[list[str], about("names of the nights of the pool, oldest first")]
    items: Annotated[list[ItemReport], about("all that differ, the worst first")]


def night_items_object(report: NightReport, changed: Iterable[ItemReport]) -> NightItems:
    """Return the changed items of a night as an object."""
    return NightItems(
        suite=report.suite,
        night=report.night,
        baseline=report.baseline,
        items=sorted(changed, key=item_change),
    )
