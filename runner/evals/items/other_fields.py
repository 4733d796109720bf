"""Fields of a row that a form has no name for: those that the suite names, and metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.evals.items.item_draft import choices_of, json_in, value_at

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from runner.rules.evaluation.suite.suite_items import FieldMap


def value_in(row: Mapping[str, Any], name: str | None) -> Any:
    """Return the value of a field; None where the suite names none, or the row has none."""
    return None if name is None else value_at(row, name)


def choices_in(row: Mapping[str, Any], name: str | None) -> tuple[str, ...]:
    """Return the choices in a field; a text may hold them as a JSON list. Raises BadRow."""
    return choices_of(json_in(value_in(row, name)), name or "")


def metadata_in(row: Mapping[str, Any], fields: FieldMap, used: AbstractSet[str]) -> dict[str, Any]:
    """Return the fields that the suite keeps beside an item; all that are not used if it names none."""
    if fields.metadata is not None:
        return {name: value_at(row, name) for name in fields.metadata}
    if used >= row.keys():  # most rows have nothing else
        return {}
    named = {fields.input, fields.target, fields.id, fields.choices, fields.cluster, fields.system}
    kept = {name: value for name, value in row.items() if name not in used and name not in named}
    inner = kept.get("metadata")
    if isinstance(inner, dict):
        del kept["metadata"]
        return {**kept, **inner}
    return kept
