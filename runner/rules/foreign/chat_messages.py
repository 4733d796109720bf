"""Messages of chat completions as OpenAI takes them, made into those that xAI takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import no_counterpart, refusal, stored_elsewhere
from runner.rules.foreign.content_parts import image_part, text_part, tool_call
from runner.rules.foreign.effects import CACHED
from runner.rules.foreign.typed import drop_unknown, json_text, list_of, object_of, text_of, unknown_names
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.foreign.content_parts import Message, Part

_OF_MESSAGE: Final = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content")
_HANDLED: Final = ("function_call", "refusal", "audio")
_OF_CALL: Final = ("id", "type", "function")
_CACHE_FIELDS: Final = ("cache_control", "prompt_cache_breakpoint")
_OF_PART: Final = {"text": ("type", "text"), "image_url": ("type", "image_url"), "file": ("type", "file")}


def with_chat_messages(body: dict[str, Any], changes: Changes, *, of_other_model: bool) -> dict[str, Any]:
    """Return a body whose messages have xAI's form; what is no list of objects stays as it is.

    `of_other_model`: the body was written for a model that is none of xAI's, so its files are not there.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return body
    reader = _Messages(changes, of_other_model=of_other_model)
    return {**body, "messages": [reader.convert(message, place) for place, message in enumerate(messages)]}


class _Messages:
    """The messages of one body, in order: a result of `function_call` needs the id of the call before it."""

    def __init__(self, changes: Changes, *, of_other_model: bool) -> None:
        self._changes, self._of_other_model = changes, of_other_model
        self._call_id = ""

    def convert(self, message: Message, place: int) -> Message:
        """Return one message."""
        where = f"messages[{place}]"
        made = {name: message[name] for name in _OF_MESSAGE if message.get(name) is not None}
        self._drop_unknown(message)
        self._content(message, made, where)
        if made.get("tool_calls") is not None:
            made["tool_calls"] = self._calls(made["tool_calls"], where)
        self._function_call(message, made, where, place)
        if "content" not in made and made.get("tool_calls"):
            made["content"] = ""
            self._changes.translated("messages.content", "empty text beside tool calls, as xAI wants it")
        return made

    def _content(self, message: Message, made: Message, where: str) -> None:
        if message.get("audio") is not None:
            raise stored_elsewhere(f"{where}.audio", "OpenAI")
        if isinstance(message.get("content"), list):
            made["content"] = [self._part(part, f"{where}.content") for part in message["content"]]
        if message.get("refusal") is not None:
            made["content"] = made.get("content") or text_of(message["refusal"], f"{where}.refusal")
            self._changes.translated("messages.refusal", "sent as the text of the message")

    def _drop_unknown(self, message: Message) -> None:
        for name in unknown_names(message, (*_OF_MESSAGE, *_HANDLED)):
            effect = CACHED if name in _CACHE_FIELDS else "xAI's messages do not have it"
            self._changes.dropped(f"messages.{name}", effect)

    def _function_call(self, message: Message, made: Message, where: str, place: int) -> None:
        """Write the calls and results that chat completions had before tools."""
        if message.get("function_call") is not None:
            call = object_of(message["function_call"], f"{where}.function_call")
            drop_unknown(call, ("name", "arguments"), "messages.function_call", self._changes)
            self._call_id = f"call-{place}"
            arguments = text_of(call.get("arguments"), f"{where}.function_call.arguments")
            name = text_of(call.get("name"), f"{where}.function_call.name")
            made["tool_calls"] = [tool_call(self._call_id, name, arguments)]
            self._changes.translated("messages.function_call", "written as a tool call")
        elif message.get("role") == "function":
            if not self._call_id:
                reason = f"{where} is the result of a function that no message before it calls"
                raise refusal("missing-call", reason, "add the message of the assistant that calls it")
            made |= {"role": "tool", "tool_call_id": self._call_id}
            self._changes.translated("messages.role", "function is written as tool")

    def _calls(self, calls: object, where: str) -> list[dict[str, Any]]:
        return [self._call(call, f"{where}.tool_calls[{n}]") for n, call in enumerate(list_of(calls, where))]

    def _call(self, call: object, where: str) -> dict[str, Any]:
        given = object_of(call, where)
        if given.get("type", "function") != "function":
            kind = shortened(str(given["type"]))
            raise no_counterpart(f"call of a tool of the type {kind} ({where})")
        function = object_of(given.get("function"), f"{where}.function")
        drop_unknown(function, ("name", "arguments"), f"{where}.function", self._changes)
        for name in unknown_names(given, _OF_CALL):
            self._changes.dropped(f"messages.tool_calls.{name}", "xAI's calls do not have it")
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            self._changes.translated("messages.tool_calls", "the arguments are written as text")
            arguments = json_text({} if arguments is None else arguments)
        called = text_of(function.get("name"), f"{where}.name")
        return tool_call(text_of(given.get("id"), f"{where}.id"), called, arguments)

    def _part(self, part: object, where: str) -> object:
        """Return one part; one that the check of the line refuses by itself stays as it is."""
        if not isinstance(part, dict):
            return part
        kind = part.get("type")
        if kind in ("refusal", "input_text", "output_text"):
            drop_unknown(part, ("type", "text", "refusal"), "content", self._changes)
            self._changes.translated(f"content.{kind}", "sent as text")
            return text_part(text_of(part.get("refusal" if kind == "refusal" else "text"), where))
        if not isinstance(kind, str):
            return part
        if kind not in _OF_PART:
            raise no_counterpart(f"input of the type {shortened(kind)} ({where})")
        for name in unknown_names(part, _OF_PART[kind]):
            effect = CACHED if name in _CACHE_FIELDS else "xAI's parts do not have it"
            self._changes.dropped(f"content.{name}", effect)
        return self._known_part(part, where)

    def _known_part(self, part: Part, where: str) -> Part:
        if part["type"] == "file":
            self._check_file(part.get("file"), where)
        elif part["type"] == "image_url":
            return self._image(part.get("image_url"), part, where)
        return {name: part[name] for name in _OF_PART[part["type"]] if name in part}

    def _image(self, image: object, part: Part, where: str) -> Part:
        if isinstance(image, str):
            self._changes.translated("content.image_url", "the address stands under url")
            return image_part(image)
        given = object_of(image, f"{where}.image_url")
        detail = given.get("detail")
        if detail not in (None, "auto", "low", "high"):
            self._changes.translated("content.image_url.detail", "auto: xAI has auto, low and high")
            return {"type": part["type"], "image_url": {**given, "detail": "auto"}}
        return {"type": part["type"], "image_url": given}

    def _check_file(self, file: object, where: str) -> None:
        """Raise CannotConvert for a file that is in the line itself, or elsewhere: xAI has ids of its own."""
        if isinstance(file, dict) and "file_data" in file:
            fix = "write the text of the file into the prompt"
            raise no_counterpart(f"file within the request ({where})", fix)
        if self._of_other_model:
            raise stored_elsewhere(f"{where}.file", "another service")
