"""Requests of the Gemini API, written as bodies of chat completions.

Google's parser takes the names of fields in both cases: `systemInstruction` and `system_instruction`.
Source: the types of Google's Python client (google-genai 3.x) and its batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import no_counterpart, refusal, stored_elsewhere
from runner.rules.foreign.content_parts import (
    assistant_message,
    content_of,
    embedded_image,
    image_part,
    schema_format,
    text_part,
    tool_call,
)
from runner.rules.foreign.effects import AS_FIRST_MESSAGE, NO_EARLIER_REASONING, NO_LOGPROBS, UNKNOWN_FIELD
from runner.rules.foreign.efforts import effort_of_budget
from runner.rules.foreign.gemini_schema import camel_keys, json_schema_of
from runner.rules.foreign.gemini_tools import gemini_tools
from runner.rules.foreign.typed import drop_unknown, json_text, list_of, object_of, text_of, unknown_names
from runner.rules.json_text.json_faults import shortened
from runner.rules.requests.image_url import is_web_address

if TYPE_CHECKING:
    from runner.rules.foreign.changes import CannotConvert, Changes
    from runner.rules.foreign.content_parts import Message, Part

_MOVED: Final = ("contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "serviceTier")
_ROLES: Final = {"user": "user", "model": "assistant", "function": "user", None: "user"}
_PLAIN_NAMES: Final = {  # of generationConfig, as chat completions call them
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "candidateCount": "n",
    "maxOutputTokens": "max_completion_tokens",
    "stopSequences": "stop",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "seed": "seed",
}
_LOST: Final = {
    "responseLogprobs": NO_LOGPROBS,
    "logprobs": NO_LOGPROBS,
    "mediaResolution": "images are sent as they are",
    "speechConfig": "answers are text",
    "imageConfig": "answers are text",
}
_HANDLED: Final = ("responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig")
_OF_PART: Final = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
_SIGNED: Final = ("thoughtSignature", "thought", "partMetadata", "mediaResolution", "videoMetadata")
_JSON: Final = "application/json"


def chat_of_gemini(request: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the body of chat completions that asks for the same. Raises CannotConvert."""
    given = camel_keys(request)
    chat = {name: field for name, field in given.items() if name not in _MOVED}
    if "labels" in chat:
        changes.dropped("labels", "they name the request in Google's bills only")
        del chat["labels"]
    if "serviceTier" in given:
        chat["service_tier"] = given["serviceTier"]
    reader = _Contents(changes)
    messages: list[Message] = []
    if "systemInstruction" in given:
        messages.append({"role": "system", "content": reader.system(given["systemInstruction"])})
        changes.translated("systemInstruction", AS_FIRST_MESSAGE)
    messages += reader.messages(given.get("contents"))
    changes.translated("contents", "written as messages")
    if "generationConfig" in given:
        chat |= _settings(given["generationConfig"], changes)
    return {**chat, **gemini_tools(given, changes), "messages": messages}


def _settings(config: object, changes: Changes) -> dict[str, Any]:
    given = camel_keys(object_of(config, "generationConfig"))
    made: dict[str, Any] = {}
    for name, field in given.items():
        if name in _PLAIN_NAMES:
            made[_PLAIN_NAMES[name]] = field
            if _PLAIN_NAMES[name] != name:
                changes.translated(f"generationConfig.{name}", f"written as {_PLAIN_NAMES[name]}")
        elif name == "responseModalities":
            _check_modalities(field)
        elif name not in _HANDLED:
            effect = _LOST.get(name, UNKNOWN_FIELD)
            changes.dropped(f"generationConfig.{name}", effect)
    made |= _format(given, changes)
    return made | _effort(given, changes)


def _check_modalities(modalities: object) -> None:
    if any(str(one).upper() != "TEXT" for one in list_of(modalities, "generationConfig.responseModalities")):
        raise no_counterpart("answers other than text", "leave the line out")


def _format(config: dict[str, Any], changes: Changes) -> dict[str, Any]:
    media_type = config.get("responseMimeType")
    if media_type not in (None, "text/plain", _JSON):
        fix = f"write {_JSON}, with a schema that has the values as enum"
        raise refusal("no-counterpart", f"xAI has no answers of the type {shortened(str(media_type))}", fix)
    schema = config.get("responseJsonSchema")
    if "responseSchema" in config:
        schema = json_schema_of(config["responseSchema"], "generationConfig.responseSchema", changes)
    if schema is not None:
        changes.translated("generationConfig.responseSchema", "written as response_format")
        return {"response_format": schema_format(schema)}
    if media_type == _JSON:
        changes.translated("generationConfig.responseMimeType", "written as response_format json_object")
        return {"response_format": {"type": "json_object"}}
    return {}


def _effort(config: dict[str, Any], changes: Changes) -> dict[str, Any]:
    thinking = camel_keys(object_of(config.get("thinkingConfig", {}), "generationConfig.thinkingConfig"))
    known = ("thinkingLevel", "thinkingBudget", "includeThoughts")
    drop_unknown(thinking, known, "thinkingConfig", changes)
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if thinking.get("includeThoughts"):
        changes.dropped("thinkingConfig.includeThoughts", "answers have the reasoning that xAI shows")
    if isinstance(level, str):
        effort = level.lower()
    elif type(budget) is int and budget >= 0:
        effort = effort_of_budget(budget)
    else:
        return {}
    changes.translated("thinkingConfig", f"written as reasoning_effort {shortened(effort)}")
    return {"reasoning_effort": effort}


class _Contents:
    """Contents as messages. Calls without an id get one, which the responses of that name take in order."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._open_calls: list[tuple[str, str]] = []  # name and id of calls that have no response yet
        self._call_count = 0

    def system(self, content: object) -> str | list[Part]:
        """Return the content of the system message."""
        if isinstance(content, str):
            return content
        given = camel_keys(object_of(content, "systemInstruction"))
        drop_unknown(given, ("role", "parts"), "systemInstruction", self._changes)
        parts = list_of(given.get("parts"), "systemInstruction.parts")
        made = [self._part(self._read(part, "systemInstruction"), "systemInstruction") for part in parts]
        return content_of([part for part in made if part is not None])

    def messages(self, contents: object) -> list[Message]:
        """Return the messages of `contents`."""
        return [
            message
            for place, content in enumerate(list_of(contents, "contents"))
            for message in self._messages(content, f"contents[{place}]")
        ]

    def _messages(self, content: object, where: str) -> list[Message]:
        given = camel_keys(object_of(content, where))
        drop_unknown(given, ("role", "parts"), "contents", self._changes)
        role = given.get("role")
        if role is not None and not (isinstance(role, str) and role in _ROLES):
            raise refusal(
                "unknown-role",
                f"the role {shortened(str(role))} does not exist ({where})",
                "use user or model",
            )
        parts: list[Part] = []
        calls: list[dict[str, Any]] = []
        results: list[Message] = []
        for part in list_of(given.get("parts"), f"{where}.parts"):
            self._sort(self._read(part, f"{where}.parts"), f"{where}.parts", parts, calls, results)
        if _ROLES[role] == "assistant":
            return [*results, assistant_message(parts, calls)]
        rest = [{"role": "user", "content": content_of(parts)}] if parts or not results else []
        return [*results, *rest]

    def _sort(
        self,
        part: dict[str, Any],
        where: str,
        parts: list[Part],
        calls: list[dict[str, Any]],
        results: list[Message],
    ) -> None:
        """Add a part to the list of its kind."""
        if "functionCall" in part:
            calls.append(self._call(camel_keys(object_of(part["functionCall"], where)), where))
        elif "functionResponse" in part:
            results.append(self._result(camel_keys(object_of(part["functionResponse"], where)), where))
        elif (made := self._part(part, where)) is not None:
            parts.append(made)

    def _read(self, part: object, where: str) -> dict[str, Any]:
        given = {"text": part} if isinstance(part, str) else camel_keys(object_of(part, where))
        for name in unknown_names(given, (*_OF_PART, *_SIGNED)):
            raise no_counterpart(f"part {shortened(name)} ({where})")
        if sum(name in given for name in _OF_PART) > 1:
            fix = "write a part for each"
            raise refusal("bad-value", f"a part has more than one of {', '.join(_OF_PART)} ({where})", fix)
        for name in ("thoughtSignature", "partMetadata", "mediaResolution"):
            if name in given:
                self._changes.dropped(f"contents.{name}", "it has no meaning outside the Gemini API")
        return given

    def _part(self, part: dict[str, Any], where: str) -> Part | None:
        """Return a part of text or an image; None for earlier reasoning."""
        if part.get("thought"):
            self._changes.dropped("contents.thought", NO_EARLIER_REASONING)
            return None
        if "text" in part:
            return text_part(text_of(part["text"], f"{where}.text"))
        if "inlineData" in part:
            data = camel_keys(object_of(part["inlineData"], f"{where}.inlineData"))
            drop_unknown(data, ("mimeType", "data"), f"{where}.inlineData", self._changes)
            self._changes.translated("contents.inlineData", "images are written as data URLs")
            media_type = text_of(data.get("mimeType"), f"{where}.inlineData.mimeType")
            return embedded_image(media_type, text_of(data.get("data"), f"{where}.inlineData.data"), where)
        if "fileData" in part:
            file = camel_keys(object_of(part["fileData"], f"{where}.fileData"))
            drop_unknown(file, ("mimeType", "fileUri"), f"{where}.fileData", self._changes)
            return _file(file, where)
        raise no_counterpart(f"part without text or image ({where})")

    def _call(self, call: dict[str, Any], where: str) -> dict[str, Any]:
        drop_unknown(call, ("id", "name", "args"), f"{where}.functionCall", self._changes)
        name = text_of(call.get("name"), f"{where}.functionCall.name")
        self._call_count += 1
        call_id = text_of(call.get("id") or f"call-{self._call_count}", f"{where}.functionCall.id")
        self._open_calls.append((name, call_id))
        self._changes.translated("contents.functionCall", "written as a tool call")
        return tool_call(call_id, name, json_text(call.get("args", {})))

    def _result(self, result: dict[str, Any], where: str) -> Message:
        known = ("id", "name", "response", "parts")
        drop_unknown(result, known, f"{where}.functionResponse", self._changes)
        name = text_of(result.get("name"), f"{where}.functionResponse.name")
        call_id = result.get("id") or next((one for called, one in self._open_calls if called == name), None)
        if call_id is None:
            raise _missing_call(name, where)
        call_id = text_of(call_id, f"{where}.functionResponse.id")
        self._open_calls = [one for one in self._open_calls if one != (name, call_id)]
        if result.get("parts"):
            raise no_counterpart(f"file in the result of a function ({where})")
        self._changes.translated("contents.functionResponse", "written as a message of the role tool")
        response = json_text(result.get("response", {}))
        return {"role": "tool", "tool_call_id": call_id, "content": response}


def _missing_call(name: str, where: str) -> CannotConvert:
    reason = f"{where} has the result of {shortened(name)}, which no content before it calls"
    return refusal("missing-call", reason, "add the content of the model that calls it")


def _file(file: dict[str, Any], where: str) -> Part:
    """Return an image by its address. Raises CannotConvert for files that Google stores, and for no image."""
    uri = text_of(file.get("fileUri"), f"{where}.fileData.fileUri")
    media_type = file.get("mimeType") or "image/"
    if not str(media_type).startswith("image/"):
        raise no_counterpart(f"input of the type {shortened(str(media_type))} ({where})")
    if not is_web_address(uri) or "generativelanguage.googleapis.com" in uri:
        raise stored_elsewhere(f"{where}.fileData", "Google")
    return image_part(uri)
