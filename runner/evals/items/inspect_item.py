"""Reads samples of Inspect: `input`, `target`, `id`, `choices`, `metadata`, in JSON or cells of a CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.evals.items.item_draft import (
    BadRow,
    ItemDraft,
    choices_of,
    cluster_of,
    id_of,
    input_messages,
    json_in,
    target_of,
    value_at,
)
from runner.evals.items.other_fields import metadata_in, value_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.evaluation.suite.suite_items import FieldMap

_KEPT: Final = ("role", "content", "name", "tool_calls", "tool_call_id")  # of a message
_NEEDS_SANDBOX: Final = ("sandbox", "setup", "files")


def inspect_item(row: Mapping[str, Any], fields: FieldMap) -> ItemDraft:
    """Return the item of a sample. Raises BadRow, also for one that needs a sandbox."""
    for name in _NEEDS_SANDBOX:
        if row.get(name):
            fix = "remove the row: here an answer is one completion, without tools that run"
            raise BadRow("needs-sandbox", f"the sample needs a sandbox: it has {name}", fix, name)
    question, target = fields.input or "input", fields.target or "target"
    choices, id_field = fields.choices or "choices", fields.id or "id"
    return ItemDraft(
        messages=input_messages(_messages(json_in(value_at(row, question))), question),
        target=_target(json_in(value_at(row, target)), target),
        id=id_of(value_at(row, id_field), id_field),
        choices=_choices(json_in(value_at(row, choices)), choices),
        cluster=cluster_of(value_in(row, fields.cluster), fields.cluster or ""),
        metadata=_metadata(row, fields, {question, target, choices, id_field, *_NEEDS_SANDBOX}),
    )


def _target(value: Any, field: str) -> Any:
    """Return the target; Inspect writes an empty text where a sample has none."""
    return None if value == "" else target_of(value, field)


def _choices(value: Any, field: str) -> tuple[str, ...]:
    if isinstance(value, str):  # Inspect's cells have commas between the choices
        value = [one.strip() for one in value.split(",") if one.strip()]
    return choices_of(value or None, field)


def _metadata(row: Mapping[str, Any], fields: FieldMap, used: set[str]) -> dict[str, Any]:
    read = {**row, "metadata": json_in(row["metadata"])} if "metadata" in row else row
    found = metadata_in(read, fields, used)
    return {name: value for name, value in found.items() if name != "metadata" or value not in ("", None)}


def _messages(value: Any) -> Any:
    """Return messages as the API takes them; any other value as it is."""
    if not isinstance(value, list):
        return value
    return [_message(one) if isinstance(one, dict) else one for one in value]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: message[name] for name in _KEPT if message.get(name) is not None}
    if isinstance(kept.get("content"), list):
        kept["content"] = [_part(part) for part in kept["content"]]
    return kept


def _part(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") == "image" and isinstance(part.get("image"), str):
        return {"type": "image_url", "image_url": {"url": part["image"]}}
    return part
