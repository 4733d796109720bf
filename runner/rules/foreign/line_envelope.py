"""What stands around the body of a foreign line: its id, its metadata, and fields of its author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import refusal
from runner.rules.foreign.chat_body import OTHER_FIELDS
from runner.rules.foreign.effects import OWN_ADDRESS
from runner.rules.foreign.typed import object_of
from runner.rules.other_files.foreign_form import ForeignForm
from runner.rules.requests.connection_fields import is_connection_field, is_secret_field
from runner.rules.requests.fields import is_body_field

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes

_ID_NAMES: Final = ("custom_id", "id", "key", "recordId", "batch_request_id")
_BODY_NAMES: Final = {
    ForeignForm.XAI_INLINE: ("batch_request",),
    ForeignForm.ANTHROPIC: ("params", "request", "body"),
    ForeignForm.GEMINI: ("request",),
    ForeignForm.BEDROCK: ("modelInput",),
    ForeignForm.OPENAI_RESPONSES: ("body",),
    None: ("body",),
}
_AROUND: Final = frozenset({"method", "url"})
_OF_SHORT_FORM: Final = frozenset({"prompt", "system", "messages", "model"})


@dataclass(slots=True, kw_only=True)
class Envelope:
    """A line taken apart. `metadata` has what is kept beside the body, None for nothing."""

    custom_id: object
    body: dict[str, Any]
    is_batch_form: bool  # the body stands in a field of its own
    metadata: Any


def open_envelope(line: dict[str, Any], form: ForeignForm | None, number: int, changes: Changes) -> Envelope:
    """Take a line apart; one without an id is named by its number. Raises CannotConvert.

    Fields around the body that no service documents are kept in the metadata, so that they reach the output.
    """
    metadata = line.get("metadata")
    id_name, custom_id = _named_id(line)
    body_name = next((name for name in _BODY_NAMES[form] if name in line), None)
    rest = {name: field for name, field in line.items() if name not in ("metadata", id_name, body_name)}
    if body_name is not None:
        body = object_of(line[body_name], body_name)
        around = {name: field for name, field in rest.items() if name not in _AROUND}
    else:
        body, around = _parted(rest, form)
    return Envelope(
        custom_id=_as_text(custom_id, number, changes),
        body=body,
        is_batch_form=body_name is not None,
        metadata=_with_others(metadata, _harmless(around, changes), changes),
    )


def _parted(fields: dict[str, Any], form: ForeignForm | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of the request and the others, of a line without a field for its body."""
    if form is None and _AROUND & fields.keys():
        fix = 'write "body": {"messages": [...]} beside the url'
        raise refusal("missing-body", "the line has a url or method, but no body", fix)
    body = {name: field for name, field in fields.items() if _belongs_to_body(name, form)}
    return body, {name: field for name, field in fields.items() if name not in body}


def add_body_metadata(envelope: Envelope, changes: Changes) -> None:
    """Move the metadata of the body beside it, where it reaches the output; xAI does not take it."""
    inner = envelope.body.get("metadata")
    if inner is None:
        return
    envelope.body = {name: field for name, field in envelope.body.items() if name != "metadata"}
    changes.translated("metadata", "stands beside the body: it reaches the output and is not sent")
    if envelope.metadata is None or envelope.metadata == inner:
        envelope.metadata = inner
    else:
        envelope.metadata = {"line": envelope.metadata, "body": inner}


def _belongs_to_body(name: str, form: ForeignForm | None) -> bool:
    """Return whether a field of a line without a body of its own is one of the request."""
    return form is not None or name in _OF_SHORT_FORM or is_body_field(name) or name in OTHER_FIELDS


def _named_id(line: dict[str, Any]) -> tuple[str | None, object]:
    """Return the field with the id, and the id; inline requests of the Gemini API have it in the metadata."""
    for name in _ID_NAMES:
        if line.get(name) is not None:
            return name, line[name]
    metadata = line.get("metadata")
    return None, metadata.get("key") if isinstance(metadata, dict) else None


def _as_text(custom_id: object, number: int, changes: Changes) -> object:
    if custom_id is None:
        changes.translated("custom_id", "a line without one is named by its place, as line-3")
        return f"line-{number}"
    if type(custom_id) is int:
        changes.translated("custom_id", "a number is written as text")
        return str(custom_id)
    return custom_id


def _harmless(around: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the fields without those that may hold a key or an address: metadata reaches the output."""
    kept = {}
    for name, field in around.items():
        if is_connection_field(name) or is_secret_field(name, field):
            changes.dropped(name, OWN_ADDRESS)
        elif field is not None:
            kept[name] = field
    return kept


def _with_others(metadata: object, others: dict[str, Any], changes: Changes) -> object:
    if not others:
        return metadata
    for name in others:
        changes.translated(name, "kept in the metadata; it is not sent")
    if metadata is None:
        return others
    return {**others, **metadata} if isinstance(metadata, dict) else {**others, "metadata": metadata}
