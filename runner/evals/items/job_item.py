"""Reads items that are job lines, in the short or the batch form, with a target beside the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.evals.items.item_draft import (
    ID_CHARACTERS_MAX,
    BadRow,
    ItemDraft,
    bad_row_of,
    checked_messages,
    choices_of,
    cluster_of,
    id_of,
    target_of,
    value_at,
)
from runner.rules.requests.parse_line import parse_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.rules.evaluation.suite.suite_items import FieldMap

_MODEL: Final = "-"  # in place of the one of the suite, which is sent
_SHORT_FIELDS: Final = ("id", "custom_id", "metadata", "prompt", "system")  # that a body cannot have


def job_item(row: Mapping[str, Any], fields: FieldMap) -> ItemDraft:
    """Return the item of a job line; the model that it names is left out. Raises BadRow."""
    target, choices = fields.target or "target", fields.choices or "choices"
    cluster = fields.cluster or "cluster"
    own = {target, choices, cluster, fields.id, fields.system}
    _refuse_long_id(row, fields)  # first: the limit of a job line is another one
    body = _request_body({name: value for name, value in row.items() if name not in own})
    return ItemDraft(
        messages=checked_messages(body.pop("messages", None)),
        target=target_of(value_at(row, target), target),
        id=id_of(*_id(row, fields)),
        choices=choices_of(value_at(row, choices), choices),
        body=body,
        cluster=cluster_of(value_at(row, cluster), cluster),
        metadata=dict(_metadata(row, fields)),
    )


def _request_body(line: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the request of a job line, without the model. Raises BadRow."""
    parsed = parse_line(line, 1, _MODEL)
    for problem in parsed.problems:
        if problem.severity == "refused":
            raise bad_row_of(problem)
    for name in _SHORT_FIELDS:
        if name in parsed.body:
            raise BadRow("unknown-field", f"the API knows no field {name}", "remove it from the body", name)
    return {name: value for name, value in parsed.body.items() if name != "model"}


def _id(row: Mapping[str, Any], fields: FieldMap) -> tuple[Any, str]:
    """Return the id that a row gives, as it is, and the name of its field."""
    name = fields.id or ("custom_id" if "custom_id" in row else "id")
    return value_at(row, name), name


def _refuse_long_id(row: Mapping[str, Any], fields: FieldMap) -> None:
    given, name = _id(row, fields)
    if isinstance(given, str) and len(given) > ID_CHARACTERS_MAX:
        id_of(given, name)


def _metadata(row: Mapping[str, Any], fields: FieldMap) -> Iterator[tuple[str, Any]]:
    found = row.get("metadata")
    if isinstance(found, dict):
        yield from found.items()
    for name in fields.metadata or ():
        if name != "metadata":
            yield name, value_at(row, name)
