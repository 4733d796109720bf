"""From the bytes of a line of any batch service to a job line, or to the reasons why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from runner.rules import models
from runner.rules.diagnostics import Diagnostic, Problem
from runner.rules.foreign.anthropic_body import chat_of_anthropic, is_anthropic
from runner.rules.foreign.bedrock_body import chat_of_bedrock
from runner.rules.foreign.changes import CannotConvert, Change, Changes, refusal
from runner.rules.foreign.chat_body import body_for_xai
from runner.rules.foreign.gemini_body import chat_of_gemini
from runner.rules.foreign.line_envelope import Envelope, add_body_metadata, open_envelope
from runner.rules.foreign.line_model import line_model
from runner.rules.foreign.responses_body import chat_of_responses
from runner.rules.foreign.typed import drop_unknown, json_text, object_of, text_of
from runner.rules.json_text.json_faults import shortened
from runner.rules.json_text.strict_json import parse_object
from runner.rules.other_files.foreign_form import ForeignForm, recognised
from runner.rules.other_files.other_line import other_line
from runner.rules.requests.parse_line import API_PATH
from runner.rules.requests.request import Defaults, read_request

if TYPE_CHECKING:
    from collections.abc import Sequence

_JOB_KEYS: Final = frozenset({"body", "url", "method", "messages", "prompt"})
_BODY_OF_INLINE: Final = {"chat_get_completion": None, "responses": ForeignForm.OPENAI_RESPONSES}
_OF_OTHER_MODELS: Final = (ForeignForm.ANTHROPIC, ForeignForm.GEMINI, ForeignForm.BEDROCK)
_DEFAULTS: Final = Defaults(model=models.DEFAULT)
_KEYS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedLine:
    """A job line. `form` is that of the line it was made of, None for a job line."""

    raw: bytes
    custom_id: str
    form: ForeignForm | None
    changes: Sequence[Change]
    warnings: Sequence[Diagnostic]


def convert_line(raw: bytes, number: int, model: str | None) -> ConvertedLine | list[Diagnostic]:
    """Return the job line of a line, or at least one refusal. Never raises.

    `number` is the line's own, `model` the one for all lines, None for those that the lines name. What is
    returned passes the check of job files; its warnings come along. A job line that needs no change keeps its
    bytes.
    """
    value = parse_object(raw)
    if isinstance(value, Problem):
        return [value.at_line(number)]
    changes = Changes()
    try:
        form = _form_of(value)
        line = _job_line(json.loads(raw.decode()), form, number, model, changes)
    except CannotConvert as found:
        return [found.problem.at_line(number)]
    if form is None and not changes.found and not read_request(raw, number, _DEFAULTS)[1]:
        line = msgspec.json.format(raw, indent=-1) if b"\n" in raw else raw
    request, diagnostics = read_request(line, number, _DEFAULTS)
    if request is None:
        return [replace(one, column=None) for one in diagnostics if one.severity == "refused"]
    return ConvertedLine(
        raw=line, custom_id=request.custom_id, form=form, changes=tuple(changes.found), warnings=diagnostics
    )


def _job_line(
    line: dict[str, Any], form: ForeignForm | None, number: int, model: str | None, changes: Changes
) -> bytes:
    """Return the line as a job line in the batch form. Raises CannotConvert."""
    if form is None and not _JOB_KEYS & line.keys():
        raise refusal("unknown-form", _unknown_form(line), "see which forms runner convert --help names")
    if form is None:
        _check_address(line, changes)
    envelope = open_envelope(line, form, number, changes)
    envelope.body = _chat_body(envelope, form, changes)
    add_body_metadata(envelope, changes)
    chosen = line_model(envelope.body.get("model"), model, changes)
    is_other = chosen.is_other or form in _OF_OTHER_MODELS
    body = body_for_xai(envelope.body, chosen.name, changes, of_other_model=is_other)
    made = {"custom_id": envelope.custom_id, "method": "POST", "url": API_PATH, "body": body}
    return json_text(made | ({} if envelope.metadata is None else {"metadata": envelope.metadata})).encode()


def _form_of(line: dict[str, Any]) -> ForeignForm | None:
    """Return the form of a line; None for a job line. Bodies of Anthropic come in other frames, too.

    `system` as text is a field of short job lines as well.
    """
    found = other_line(line)
    if found is not None and found.code == "results-file":
        raise refusal(found.code, f"these are {found.what}", found.fix)
    form = recognised(line)
    if form is not None:
        return form
    if isinstance(line.get("body"), dict):
        return ForeignForm.ANTHROPIC if is_anthropic(line["body"]) else None
    is_short = isinstance(line.get("system"), str)
    bare = {name: field for name, field in line.items() if not (is_short and name == "system")}
    return ForeignForm.ANTHROPIC if is_anthropic(bare) else None


def _unknown_form(line: dict[str, Any]) -> str:
    names = ", ".join(shortened(name) for name in list(line)[:_KEYS_SHOWN]) or "none"
    return f"the line has the form of no batch service that is known; its fields: {names}"


def _check_address(line: dict[str, Any], changes: Changes) -> None:
    """Raise CannotConvert for a line of another endpoint; add a change for another address of the same."""
    method, url = line.get("method") or "POST", line.get("url") or API_PATH
    if text_of(method, "method").upper() != "POST":
        raise refusal("wrong-method", "method must be POST", 'write "POST"')
    if not text_of(url, "url").rstrip("/").endswith("/chat/completions"):
        reason = f'lines for "{shortened(url)}" cannot be converted, only those for chat and responses'
        raise refusal("wrong-url", reason, "leave the line out")
    if url != API_PATH or method != "POST":
        changes.translated("url", f"written as POST {API_PATH}; where it goes is a setting of runner")


def _chat_body(envelope: Envelope, form: ForeignForm | None, changes: Changes) -> dict[str, Any]:
    """Return the body as one of chat completions."""
    body = envelope.body
    if form is ForeignForm.XAI_INLINE:
        name = next((name for name in _BODY_OF_INLINE if name in body), None)
        if name is None:
            kind = shortened(next(iter(body), "nothing"))
            raise refusal(
                "wrong-url", f"requests of the kind {kind} cannot be converted", "leave the line out"
            )
        drop_unknown(body, (name,), "batch_request", changes)
        changes.translated("batch_request", "written as a body")
        body, form = object_of(body[name], f"batch_request.{name}"), _BODY_OF_INLINE[name]
    if form is not None:
        return _CHAT_OF[form](body, changes)
    return body if envelope.is_batch_form else _without_short_form(body)


def _without_short_form(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a short line, whose prompt and system are messages then."""
    if not {"prompt", "system"} & body.keys():
        return body
    made = {name: field for name, field in body.items() if name not in ("prompt", "system")}
    messages = made.get("messages", [])
    if "prompt" in body:
        if "messages" in body:
            raise refusal("prompt-and-messages", "the line has both prompt and messages", "keep one of them")
        messages = [{"role": "user", "content": text_of(body["prompt"], "prompt")}]
    if "system" in body and isinstance(messages, list):
        messages = [{"role": "system", "content": text_of(body["system"], "system")}, *messages]
    return {**made, "messages": messages}


_CHAT_OF: Final = {
    ForeignForm.OPENAI_RESPONSES: chat_of_responses,
    ForeignForm.ANTHROPIC: chat_of_anthropic,
    ForeignForm.GEMINI: chat_of_gemini,
    ForeignForm.BEDROCK: chat_of_bedrock,
}
