"""Parsing of a job line in its two forms, batch and short, into the request body.

Body fields are never re-encoded: what is sent is cut from the line, byte for byte.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from runner.rules.diagnostics import Problem
from runner.rules.json_text.json_faults import shortened
from runner.rules.other_files.other_line import CONVERT
from runner.rules.requests.connection_fields import connection_problem, is_connection_field
from runner.rules.requests.fields import is_body_field
from runner.rules.requests.replace_model import replace_model

API_PATH: Final = "/v1/chat/completions"
_OTHER_PURPOSES: Final = frozenset(  # the last parts of urls of OpenAI's API
    {"embeddings", "moderations", "generations", "edits", "speech", "transcriptions", "translations"}
)
_ID_CHARACTERS_MAX: Final = 512
_BATCH_FIELDS: Final = frozenset({"custom_id", "id", "method", "url", "body", "metadata"})
_NOT_IN_BODY: Final = frozenset({"custom_id", "id", "metadata", "prompt", "system", "messages", "model"})
_spans_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ParsedLine(NamedTuple):
    """A parsed line."""

    value: dict[str, Any]  # the line as read
    custom_id: str
    body: dict[str, Any]  # for validation, with the model filled in
    is_batch_form: bool
    names_model: bool  # the line names its model itself
    replaces_model: bool  # the run's model is sent instead
    problems: list[Problem]


def parse_line(
    value: dict[str, Any], line: int, default_model: str, model_for_all: str | None = None
) -> ParsedLine:
    """Parse the object of line number `line`, in either form.

    `default_model` is used if the line names none, `model_for_all` whatever it names.
    """
    problems: list[Problem] = []
    custom_id = _custom_id(value, line, problems)
    is_batch_form = "body" in value or "url" in value or "method" in value
    body = _batch_body(value, problems) if is_batch_form else _short_body(value, problems)
    names_model = "model" in body
    replaces_model = model_for_all is not None
    if replaces_model:
        body = {**body, "model": model_for_all}
    elif not names_model:
        body = {"model": default_model, **body}
    return ParsedLine(value, custom_id, body, is_batch_form, names_model, replaces_model, problems)


def body_and_metadata(raw: bytes, line: ParsedLine) -> tuple[bytes, bytes | None]:
    """Return the body to send and the metadata, both as written; the line must have no refusal."""
    spans = _spans_of(raw)
    metadata = bytes(spans["metadata"]) if "metadata" in spans else None
    if not line.is_batch_form:
        return _short_bytes(spans, line.body["model"]), metadata
    if line.replaces_model or not line.names_model:
        return replace_model(spans["body"], line.body["model"]), metadata
    return bytes(spans["body"]), metadata


def with_line_path(problem: Problem, line: ParsedLine) -> Problem:
    """Return a problem of the body with its path in the line instead of in the body."""
    if line.is_batch_form:
        return replace(problem, path=("body", *problem.path))
    if problem.path[:1] != ("messages",) or len(problem.path) == 1:
        return problem
    # A message of the line itself: `system` and `prompt` are texts by now, which have no refusal.
    place = int(problem.path[1]) - ("system" in line.value)
    return replace(problem, path=("messages", place, *problem.path[2:]))


def _custom_id(value: dict[str, Any], line: int, problems: list[Problem]) -> str:
    if "custom_id" in value:
        name, custom_id = "custom_id", value["custom_id"]
        if "id" in value and value["id"] != custom_id:
            reason, fix = "the line has both id and custom_id, and they differ", "keep one of them"
            problems.append(Problem(code="two-ids", path=("id",), reason=reason, fix=fix))
    elif "id" in value:
        name, custom_id = "id", value["id"]
    else:
        return f"line-{line}"
    if type(custom_id) is str and 0 < len(custom_id) <= _ID_CHARACTERS_MAX and "\0" not in custom_id:
        return custom_id
    problems.append(_bad_id(name, custom_id))
    return ""


def _bad_id(name: str, custom_id: object) -> Problem:
    if type(custom_id) is not str:
        shown = shortened(orjson.dumps(custom_id).decode())
        fix = f'write it in quotation marks: "{shown}"' if type(custom_id) is int else 'write it as "r-1"'
        return Problem(code="bad-type", path=(name,), reason=f"{name} must be a string", fix=fix)
    if not custom_id:
        reason, fix = f"{name} is empty", "give the job a name, or remove the field: it is then line-N"
    elif "\0" in custom_id:
        reason, fix = f"{name} holds the character NUL", "remove it; a database cannot keep it"
    else:
        reason, fix = f"{name} has {len(custom_id):,} characters", f"use at most {_ID_CHARACTERS_MAX}"
    return Problem(code="bad-id", path=(name,), reason=reason, fix=fix)


def _batch_body(value: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    if value.get("method", "POST") != "POST":
        reason = "method must be POST"
        problems.append(Problem(code="wrong-method", path=("method",), reason=reason, fix='write "POST"'))
    if value.get("url", API_PATH) != API_PATH:
        problems.append(_wrong_url(value["url"]))
    if not value.keys() <= _BATCH_FIELDS:
        problems.extend(_outside(name) for name in value if name not in _BATCH_FIELDS)
    if "body" not in value:
        fix = 'write "body": {"messages": [...]} beside the url, or use the short form without one'
        problems.append(
            Problem(code="missing-body", reason="the line has a url or method, but no body", fix=fix)
        )
        return {}
    body = value["body"]
    if type(body) is dict:
        return body
    reason, fix = "body must be an object", 'write "body": {"messages": [...]}'
    problems.append(Problem(code="bad-type", path=("body",), reason=reason, fix=fix))
    return {}


def _wrong_url(url: object) -> Problem:
    fix = f'write "url": "{API_PATH}"'
    if type(url) is str and url.endswith("/chat/completions"):
        fix += f"; on all lines: {CONVERT}"
    if type(url) is str and ("//" in url or url.startswith("api.")):
        reason = "the url names a host; a job line cannot choose where it is sent"
        return Problem(code="host-in-url", path=("url",), reason=reason, fix=fix)
    shown = shortened(orjson.dumps(url).decode())
    reason = f"the url {shown} is not one this program sends to"
    if type(url) is str and url.rstrip("/").rpartition("/")[2] in _OTHER_PURPOSES:
        fix = "leave the line out: it asks for no chat completion"
    return Problem(code="wrong-url", path=("url",), reason=reason, fix=fix)


def _outside(name: str) -> Problem:
    """Return the problem of a field beside the body of a batch line."""
    if is_connection_field(name):
        return connection_problem((name,))
    if name in ("prompt", "system") or is_body_field(name):
        reason = f"{name} stands beside the body, where it would not be sent"
        return Problem(code="misplaced-field", path=(name,), reason=reason, fix="move it into the body")
    reason = f'the batch form has no field "{shortened(name)}"; it is not sent'
    fix = "put it into metadata to have it in the output, or remove it"
    return Problem(code="unknown-field", path=(name,), reason=reason, fix=fix, severity="warning")


def _short_body(value: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Build the body of a short line for validation. Its messages must equal those of `_short_bytes`."""
    body = {name: field for name, field in value.items() if name not in _NOT_IN_BODY}
    if "model" in value:
        body["model"] = value["model"]
    messages = _short_messages(value, problems)
    if "system" in value and type(messages) is list:
        _must_be_text("system", value["system"], problems)
        messages = [{"role": "system", "content": value["system"]}, *messages] if messages else messages
    if messages is not None:
        body["messages"] = messages
    return body


def _short_messages(value: dict[str, Any], problems: list[Problem]) -> object:
    if "prompt" not in value:
        if "messages" not in value:
            reason, fix = (
                "the line has neither prompt nor messages",
                'give "prompt": "..." or "messages": [...]',
            )
            problems.append(Problem(code="missing-messages", reason=reason, fix=fix))
        return value.get("messages")
    if "messages" in value:
        reason, fix = "the line has both prompt and messages", "keep one of them"
        problems.append(Problem(code="prompt-and-messages", path=("prompt",), reason=reason, fix=fix))
    _must_be_text("prompt", value["prompt"], problems)
    return [{"role": "user", "content": value["prompt"]}]


def _must_be_text(name: str, text: object, problems: list[Problem]) -> None:
    if type(text) is not str:
        reason, fix = f"{name} must be a string", f'write "{name}": "...", or use messages'
        problems.append(Problem(code="bad-type", path=(name,), reason=reason, fix=fix))
    elif not text:
        reason, fix = f"{name} is empty", "write what the model should answer, or remove the line"
        fix = fix if name == "prompt" else "write it, or remove the field"
        problems.append(Problem(code="empty-prompt", path=(name,), reason=reason, fix=fix))


def _short_bytes(spans: dict[str, msgspec.Raw], model: str) -> bytes:
    """Build the body to send: model, messages, then the other fields as written, in their order."""
    if "prompt" in spans:
        begin, messages, end = b'{"role":"user","content":', memoryview(spans["prompt"]), b"}]"
    else:  # without its first bracket; a view, because an image must not be copied twice
        begin, messages, end = b"", memoryview(spans["messages"])[1:], b""
    if "system" in spans:
        begin = b'{"role":"system","content":%b},%b' % (spans["system"], begin)
    others = b"".join(
        b",%b:%b" % (orjson.dumps(name), span) for name, span in spans.items() if name not in _NOT_IN_BODY
    )
    head = b'{"model":%b,"messages":[%b' % (orjson.dumps(model), begin)
    return b"".join((head, messages, end, others, b"}"))
