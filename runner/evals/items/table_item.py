"""Reads rows of any table, whose columns the suite names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.evals.items.item_draft import (
    ItemDraft,
    cluster_of,
    id_of,
    input_messages,
    target_of,
    value_at,
)
from runner.evals.items.other_fields import choices_in, metadata_in, value_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.suite.suite_items import FieldMap


def table_item(row: Mapping[str, Any], fields: FieldMap) -> ItemDraft:
    """Return the item of a row. Raises BadRow."""
    column = fields.input or "input"
    return ItemDraft(
        messages=input_messages(value_at(row, column), column),
        target=target_of(value_in(row, fields.target), fields.target or ""),
        id=id_of(value_in(row, fields.id), fields.id or ""),
        choices=choices_in(row, fields.choices),
        cluster=cluster_of(value_in(row, fields.cluster), fields.cluster or ""),
        metadata=metadata_in(row, fields, used={column}),
    )
