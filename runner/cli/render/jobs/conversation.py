"""A job's prompt and answer as text: role and text of each message, shortened to a few lines."""

from __future__ import annotations

import textwrap
from typing import Any, Final

from runner.rules.json_text.answer_json import read_json, without_surrogates
from runner.rules.redact import plain

_WIDTH: Final = 66  # beside the column of names, within 80
_LINES_MAX: Final = 4
_CHARACTERS_MAX: Final = 2_000  # read when only a few lines are shown


def request_parts(body: bytes) -> list[tuple[str, str]]:
    """Return role and text of each message of a request body."""
    value = _object(body)
    messages = value.get("messages")
    return [
        (str(message.get("role", "message")), _text(message))
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, dict)
    ]


def answer_parts(body: bytes) -> list[tuple[str, str]]:
    """Return the parts of an answer: text, refusal, tool calls, and how it ended if that is not `stop`."""
    choice = _first_choice(_object(body))
    if choice is None:
        return [("answer", "not a completion; --raw prints its bytes")]
    message = choice["message"]
    parts = [("answer", text)] if (text := _text(message)) else []
    if message.get("refusal"):
        parts.append(("refusal", str(message["refusal"])))
    calls = message.get("tool_calls")
    parts += [("calls", _call(call)) for call in (calls if isinstance(calls, list) else [])]
    if choice.get("finish_reason") not in ("stop", "tool_calls"):
        parts.append(("ended by", str(choice.get("finish_reason"))))
    return parts or [("answer", "(empty)")]


def _first_choice(value: dict[str, Any]) -> dict[str, Any] | None:
    """Return the first choice of a completion if it has a message, else None."""
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    has_message = isinstance(choice, dict) and isinstance(choice.get("message"), dict)
    return choice if has_message else None


def folded(text: str, *, full: bool) -> list[str]:
    """Return a text as escaped lines; unless `full` only the first few, and how long it is."""
    shown = text if full else text[:_CHARACTERS_MAX]
    lines = [
        piece
        for line in shown.splitlines() or [""]
        for piece in textwrap.wrap(plain(without_surrogates(line)), _WIDTH, break_on_hyphens=False) or [""]
    ]
    if full or (len(lines) <= _LINES_MAX and len(shown) == len(text)):
        return lines
    return [*lines[:_LINES_MAX], f"… {len(text):,} characters in all; --full shows them"]


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = read_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content)
    return content if isinstance(content, str) else ""


def _part(part: object) -> str:
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    return f"[{part.get('type', 'part')}]" if isinstance(part, dict) else "[part]"


def _call(call: object) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return "(unreadable)"
    return f"{function.get('name')}({function.get('arguments')})"
