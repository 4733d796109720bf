"""A few rows of a labeled run as a JSON object."""

from __future__ import annotations

from typing import Annotated, Any

from runner.rules.json_object import JsonObject, Schema, about
from runner.rules.labels.row_status import RowStatus


class SampledTableRow(JsonObject, frozen=True, kw_only=True):
    """One row beside its labels."""

    row: Annotated[int, about("its number in the table, from 1")]
    custom_id: Annotated[str | None, about("id of its job, for `runner show`; null where it has none")]
    status: Annotated[RowStatus, about("what became of it")]
    error: Annotated[str | None, about("why it has no labels")]
    labels: Annotated[dict[str, Any] | None, about("by field; null where it has none")]
    cells: Annotated[
        dict[str, str] | None,
        about("by column, those that are in the prompts, as text; null where the table was not read"),
    ]
    prompt: Annotated[str | None, about("its last user message, where the table was not read")]


class TableSample(JsonObject, frozen=True, kw_only=True):
    """A few rows of a labeled table, chosen at random."""

    schema: Schema
    run: Annotated[int, about("id of the run")]
    name: Annotated[str, about("name of the run")]
    seed: Annotated[int, about("another one is another choice")]
    matching: Annotated[int, about("rows that they were chosen from")]
    rows: Annotated[list[SampledTableRow], about("in the order of the table")]
