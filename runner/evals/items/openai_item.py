"""Reads samples of openai/evals: `input`, a text or messages, and `ideal`, a text or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.evals.items.item_draft import (
    BadRow,
    ItemDraft,
    cluster_of,
    id_of,
    input_messages,
    target_of,
    value_at,
)
from runner.evals.items.other_fields import choices_in, metadata_in, value_in
from runner.rules.evaluation.suite.suite_items import FieldMap

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN: Final = ("input", "ideal")
_NOTHING_NAMED: Final = FieldMap()


def openai_item(row: Mapping[str, Any], fields: FieldMap) -> ItemDraft:
    """Return the item of a sample; what else it has is metadata. Raises BadRow."""
    question, ideal = fields.input or "input", fields.target or "ideal"
    target = target_of(value_at(row, ideal), ideal)
    if target is None:
        raise BadRow("missing-target", f"the row has no {ideal}", "write what is right", ideal)
    messages = input_messages(value_at(row, question), question)
    if len(row) == len(_OWN) and fields == _NOTHING_NAMED:  # most rows: two fields, and that is all
        return ItemDraft(None, messages, target)
    return ItemDraft(
        id=id_of(value_in(row, fields.id), fields.id or ""),
        messages=messages,
        target=target,
        choices=choices_in(row, fields.choices),
        cluster=cluster_of(value_in(row, fields.cluster), fields.cluster or ""),
        metadata=metadata_in(row, fields, used={question, ideal}),
    )
