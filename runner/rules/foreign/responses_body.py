"""Bodies of OpenAI's Responses API (and xAI's), written as bodies of chat completions.

Source: the types of OpenAI's Python client 2.x (`response_create_params`, `response_input_param`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.foreign.changes import no_counterpart, refusal, stored_elsewhere
from runner.rules.foreign.content_parts import (
    assistant_message,
    content_of,
    image_part,
    text_part,
    tool_call,
)
from runner.rules.foreign.effects import AS_FIRST_MESSAGE, NO_EARLIER_REASONING, OF_ANY_LENGTH
from runner.rules.foreign.typed import object_of, text_of, unknown_names, without_nulls
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from runner.rules.foreign.changes import Changes
    from runner.rules.foreign.content_parts import Message, Part

_MOVED: Final = ("input", "instructions", "max_output_tokens", "reasoning", "text")
_TEXTS: Final = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_OF_MESSAGE: Final = ("type", "role", "content")
_OF_TEXT: Final = ("type", "text")
_OF_IMAGE: Final = ("type", "image_url", "detail", "file_id")
_BOOKKEEPING: Final = "it only names the item at the other service"


def chat_of_responses(body: dict[str, Any], changes: Changes) -> dict[str, Any]:
    """Return the body of chat completions that asks for the same. Raises CannotConvert."""
    body = without_nulls(body)
    _refuse_other_purposes(body)
    chat = {name: field for name, field in body.items() if name not in _MOVED}
    messages: list[Message] = []
    if "instructions" in body:
        messages.append({"role": "system", "content": text_of(body["instructions"], "instructions")})
        changes.translated("instructions", AS_FIRST_MESSAGE)
    if "input" in body:
        messages += _Input(changes).messages(body["input"])
        changes.translated("input", "written as messages")
    if "max_output_tokens" in body:
        chat["max_completion_tokens"] = body["max_output_tokens"]
        changes.translated("max_output_tokens", "written as max_completion_tokens")
    _reasoning(body, chat, changes)
    _text(body, chat, changes)
    return {**chat, "messages": messages}


def _refuse_other_purposes(body: dict[str, Any]) -> None:
    """Raise CannotConvert for bodies of embeddings and moderations, which have `input`, too."""
    model = body.get("model")
    if isinstance(model, str) and ("embed" in model or "moderation" in model):
        reason = f'the model "{shortened(model)}" writes no answers; only lines for chat can be converted'
        raise refusal("wrong-url", reason, "leave the line out")


def _reasoning(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    if "reasoning" not in body:
        return
    reasoning = without_nulls(object_of(body["reasoning"], "reasoning"))
    if "effort" in reasoning:
        chat["reasoning_effort"] = reasoning.pop("effort")
        changes.translated("reasoning.effort", "written as reasoning_effort")
    for name in reasoning:
        changes.dropped(f"reasoning.{name}", "answers come without it")


def _text(body: dict[str, Any], chat: dict[str, Any], changes: Changes) -> None:
    if "text" not in body:
        return
    text = without_nulls(object_of(body["text"], "text"))
    form = object_of(text.pop("format", {}), "text.format")
    if form.get("type") == "json_schema":
        described = {name: field for name, field in form.items() if name != "type" and field is not None}
        chat["response_format"] = {"type": "json_schema", "json_schema": described}
    elif form and form.get("type") != "text":
        chat["response_format"] = form
    if "response_format" in chat:
        changes.translated("text.format", "written as response_format")
    for name in text:
        changes.dropped(f"text.{name}", OF_ANY_LENGTH)


class _Input:
    """The items of `input` as messages; calls of the assistant stand in one message, as chat has them."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._made: list[Message] = []

    def messages(self, given: object) -> list[Message]:
        """Return the messages of a text or of a list of items."""
        if isinstance(given, str):
            return [{"role": "user", "content": given}]
        if not isinstance(given, list):
            raise refusal("bad-type", "input must be a string or a list of items", "write a string or a list")
        for place, item in enumerate(given):
            self._add(object_of(item, f"input[{place}]"), f"input[{place}]")
        return self._made

    def _add(self, item: dict[str, Any], where: str) -> None:
        kind = item.get("type") or "message"
        if kind == "message":
            self._message(item, where)
        elif kind == "function_call":
            self._call(item, where)
        elif kind == "function_call_output":
            self._result(item, where)
        elif kind == "reasoning":
            self._changes.dropped("input.reasoning", NO_EARLIER_REASONING)
        elif kind in ("item_reference", "compaction"):
            raise stored_elsewhere(f"{where} ({kind})", "the other service")
        else:
            raise no_counterpart(f"item of the type {shortened(str(kind))} ({where})")

    def _message(self, item: dict[str, Any], where: str) -> None:
        self._drop_unknown(item, _OF_MESSAGE)
        content = item.get("content")
        if isinstance(content, list):
            content = content_of([self._part(part, f"{where}.content") for part in content])
        self._made.append({"role": item.get("role"), "content": content})

    def _call(self, item: dict[str, Any], where: str) -> None:
        self._drop_unknown(item, ("type", "call_id", "name", "arguments"))
        names = ("call_id", "name", "arguments")
        call = tool_call(*(text_of(item.get(name), f"{where}.{name}") for name in names))
        last = self._made[-1] if self._made else {}
        if last.get("role") == "assistant":
            last["tool_calls"] = [*last.get("tool_calls", []), call]
        else:
            self._made.append(assistant_message([], [call]))
        self._changes.translated("input.function_call", "written as a tool call of the assistant")

    def _result(self, item: dict[str, Any], where: str) -> None:
        self._drop_unknown(item, ("type", "call_id", "output"))
        output = item.get("output")
        if isinstance(output, list):
            output = content_of([self._part(part, f"{where}.output") for part in output])
        call_id = text_of(item.get("call_id"), f"{where}.call_id")
        self._made.append(
            {"role": "tool", "tool_call_id": call_id, "content": output or text_of(output, where)}
        )
        self._changes.translated("input.function_call_output", "written as a message of the role tool")

    def _part(self, part: object, where: str) -> Part:
        given = object_of(part, where)
        kind = given.get("type")
        if kind in _TEXTS:
            self._drop_unknown(given, _OF_TEXT)
            return text_part(text_of(given.get("text"), f"{where}.text"))
        if kind == "refusal":
            self._drop_unknown(given, ("type", "refusal"))
            return text_part(text_of(given.get("refusal"), f"{where}.refusal"))
        if kind == "input_image":
            self._drop_unknown(given, _OF_IMAGE)
            if given.get("image_url") is None:
                raise stored_elsewhere(f"{where}.file_id", "the other service")
            return image_part(text_of(given["image_url"], f"{where}.image_url"), given.get("detail"))
        if kind == "input_file" and given.get("file_id") is not None:
            raise stored_elsewhere(f"{where}.file_id", "the other service")
        raise no_counterpart(f"input of the type {shortened(str(kind))} ({where})")

    def _drop_unknown(self, item: dict[str, Any], known: tuple[str, ...]) -> None:
        for name in unknown_names(item, known):
            if item[name] not in ([], ""):  # such as the annotations of an earlier answer
                self._changes.dropped(f"input.{name}", _BOOKKEEPING)
