"""Checks and token estimate of a request's messages."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import orjson

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_text.json_faults import shortened
from runner.rules.requests.image_url import PART_FIX, image_problems
from runner.rules.requests.tokens import IMAGE_TOKENS, MESSAGE_TOKENS, text_tokens
from runner.rules.requests.tool_calls import tool_call_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
LEADING_ROLES: Final = ("system", "developer")
_PART_TYPES: Final = ("text", "image_url", "file")
_MESSAGE_FIX: Final = 'write {"role": "user", "content": "..."}'
_OTHER_PARTS: Final = {  # of the Responses API and of Anthropic's
    "input_text": 'write {"type": "text", "text": "..."}',
    "output_text": 'write {"type": "text", "text": "..."}',
    "input_image": 'write {"type": "image_url", "image_url": {"url": "..."}}',
    "image": 'write {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}',
    "input_file": 'write {"type": "file", "file": {"file_id": "..."}}',
    "input_audio": "remove it, and write what is said as text: these models hear nothing",
    "tool_use": 'write it as "tool_calls" beside the content',
    "tool_result": 'write a message of its own: {"role": "tool", "tool_call_id": "...", "content": "..."}',
}


def message_list_problem(messages: object) -> Problem | None:
    """Return the problem of a value that is no list of messages or an empty one; else None."""
    if type(messages) is list and messages:
        return None
    if messages is None:
        return Problem(
            code="missing-messages",
            reason="messages is missing",
            fix='give "messages": [{"role": "user", "content": "..."}]',
        )
    if type(messages) is list:
        return Problem(
            code="empty-messages",
            path=("messages",),
            reason="messages is empty",
            fix="give at least one message",
        )
    return _bad_type(("messages",), "messages must be a list", 'write [{"role": "user", "content": "..."}]')


def leading_count(messages: list[Any]) -> int:
    """Return how many system and developer messages the list begins with: the part that jobs may share."""
    for count, message in enumerate(messages):
        if type(message) is not dict or message.get("role") not in LEADING_ROLES:
            return count
    return len(messages)


def check_messages(messages: list[Any], problems: list[Problem], *, first: int = 0) -> int:
    """Append the problems of each message to `problems`; return the estimated prompt tokens of all.

    `first` is the index of `messages[0]` in the request's list.
    """
    tokens = 0
    for place, message in enumerate(messages, first):
        if type(message) is dict:
            tokens += _check_message(message, place, problems)
        else:
            problems.append(_bad_type(("messages", place), "a message must be an object", _MESSAGE_FIX))
    return tokens


def _check_message(message: dict[str, Any], place: int, problems: list[Problem]) -> int:
    """Append the problems of one message to `problems`; return its estimated tokens."""
    role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls")
    if role not in ROLES:
        problems.append(_unknown_role(role, place))
    tokens = MESSAGE_TOKENS
    if "tool_calls" in message:
        tokens += text_tokens(orjson.dumps(calls).decode())
        problems.extend(tool_call_problems(calls, ("messages", place, "tool_calls")))
    if type(content) is str:
        if not content or content.isspace():
            problems.extend(_blank(content, role, ("messages", place, "content")))
        return tokens + text_tokens(content)
    if type(content) is list and content:
        return tokens + _check_parts(content, role, place, problems)
    problems.append(_no_content(content, place, has_calls=role == "assistant" and bool(calls)))
    return tokens


def _blank(text: str, role: object, path: Path) -> Iterator[Problem]:
    """Yield what is wrong with a text of nothing or white space; answers and results of tools may be so."""
    if role == "user" and not text:
        fix = "write what the model should answer, or remove the message"
        yield Problem(
            code="empty-prompt", path=path, reason="the content of a user's message is empty", fix=fix
        )
    elif role in ("user", *LEADING_ROLES):
        reason = "the content of a message is " + ("white space only" if text else "empty")
        fix = "see whether a column or a file was empty; it is sent as written"
        yield Problem(code="blank-content", path=path, reason=reason, fix=fix, severity="warning")


def _unknown_role(role: object, place: int) -> Problem:
    if role is None:
        return Problem(
            code="unknown-role", path=("messages", place), reason="a message has no role", fix=_MESSAGE_FIX
        )
    close = get_close_matches(role.lower(), ROLES, n=1) if type(role) is str else []
    shown = shortened(orjson.dumps(role).decode())
    return Problem(
        code="unknown-role",
        path=("messages", place, "role"),
        reason=f"the role {shown} does not exist",
        fix=f'did you mean "{close[0]}"?' if close else f"use one of: {', '.join(ROLES)}",
    )


def _no_content(content: object, place: int, *, has_calls: bool) -> Problem:
    path: Path = ("messages", place, "content")
    fix = 'write text as "content": "...", or a list of parts'
    if content is None and has_calls:
        reason = "a message with tool_calls has no content; the API refuses null"
        return Problem(code="missing-content", path=path, reason=reason, fix='write "content": ""')
    if content is None:
        return Problem(code="missing-content", path=path, reason="a message has no content", fix=fix)
    if content == []:
        return Problem(
            code="missing-content", path=path, reason="the content of a message is an empty list", fix=fix
        )
    return _bad_type(path, "the content of a message must be text or a list of parts", fix)


def _check_parts(parts: list[Any], role: object, place: int, problems: list[Problem]) -> int:
    tokens, texts = 0, []
    for index, part in enumerate(parts):
        path: Path = ("messages", place, "content", index)
        kind = part.get("type") if type(part) is dict else None
        if kind == "text" and type(part.get("text")) is str:
            texts.append(part["text"])
            tokens += text_tokens(part["text"])
        elif kind == "image_url":
            tokens += IMAGE_TOKENS
            problems.extend(image_problems(part.get("image_url"), (*path, "image_url")))
        else:
            problems.extend(_other_part_problems(kind, part, path))
    if len(texts) == len(parts) and not (joined := "".join(texts)).strip():
        problems.extend(_blank(joined, role, ("messages", place, "content")))
    return tokens


def _other_part_problems(kind: object, part: Any, path: Path) -> Iterator[Problem]:
    """Yield the problems of a part that is no good text and no image."""
    if type(kind) is not str or kind == "text":
        yield _bad_type(path, "a content part must have a type and its value", PART_FIX)
    elif kind == "file":
        if type(part.get("file")) is not dict:
            fix = 'write {"type": "file", "file": {"file_id": "..."}}'
            yield _bad_type((*path, "file"), "file must be an object", fix)
    else:
        reason = f'chat completions take no part of the type "{shortened(kind)}"'
        fix = _OTHER_PARTS.get(kind, f"the API takes {', '.join(_PART_TYPES)}")
        yield Problem(code="unknown-part", path=path, reason=reason, fix=fix)


def _bad_type(path: Path, reason: str, fix: str) -> Problem:
    return Problem(code="bad-type", path=path, reason=reason, fix=fix)
