"""Checks and token estimate of a request's messages."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

import orjson

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_faults import shortened
from runner.rules.tokens import IMAGE_TOKENS, MESSAGE_TOKENS, text_tokens

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
LEADING_ROLES: Final = ("system", "developer")
_IMAGE_BYTES_MAX: Final = 20 * 1024 * 1024
_PART_TYPES: Final = ("text", "image_url", "file")


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
    if type(content) is str:
        return tokens + text_tokens(content)
    if type(content) is list and content:
        return tokens + _check_parts(content, place, problems)
    if not (content is None and role == "assistant" and calls):
        problems.append(_no_content(content, place))
    return tokens


_MESSAGE_FIX: Final = 'write {"role": "user", "content": "..."}'


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


def _no_content(content: object, place: int) -> Problem:
    path: Path = ("messages", place, "content")
    fix = 'write text as "content": "...", or a list of parts'
    if content is None:
        return Problem(code="missing-content", path=path, reason="a message has no content", fix=fix)
    if content == []:
        return Problem(
            code="missing-content", path=path, reason="the content of a message is an empty list", fix=fix
        )
    return _bad_type(path, "the content of a message must be text or a list of parts", fix)


def _check_parts(parts: list[Any], place: int, problems: list[Problem]) -> int:
    tokens = 0
    for index, part in enumerate(parts):
        path: Path = ("messages", place, "content", index)
        kind = part.get("type") if type(part) is dict else None
        if kind == "text" and type(part.get("text")) is str:
            tokens += text_tokens(part["text"])
        elif kind == "image_url":
            tokens += IMAGE_TOKENS
            problems.extend(_image_problems(part.get("image_url"), (*path, "image_url")))
        elif type(kind) is not str or kind == "text":
            problems.append(
                _bad_type(path, "a content part must have a type and its value", _PART_FIX),
            )
        elif kind not in _PART_TYPES:
            problems.append(_unknown_part(kind, path))
    return tokens


_PART_FIX: Final = (
    'write {"type": "text", "text": "..."} or {"type": "image_url", "image_url": {"url": "..."}}'
)


def _unknown_part(kind: str, path: Path) -> Problem:
    return Problem(
        code="unknown-part",
        path=path,
        reason=f'the content type "{shortened(kind)}" is not known',
        fix=f"the API documents {', '.join(_PART_TYPES)}",
        severity="warning",
    )


def _image_problems(image: object, path: Path) -> list[Problem]:
    url = image.get("url") if type(image) is dict else None
    if type(image) is dict and url is None and type(image.get("file_id")) is str:
        return []
    if type(url) is not str or not url:
        return [_bad_type(path, "image_url must be an object with a url", _PART_FIX)]
    if url.startswith("data:"):
        return _data_url_problems(url, (*path, "url"))
    if url.startswith(("https://", "http://")):
        return []
    return [
        Problem(
            code="bad-image-url",
            path=(*path, "url"),
            reason=f'"{shortened(url)}" is no address of an image',
            fix="give an https:// address or a data:image/png;base64,... URL; files are not read from disk",
        )
    ]


def _data_url_problems(url: str, path: Path) -> list[Problem]:
    comma = url.find(",")  # not partition: an image must not be copied
    head, data_length = url[: max(comma, 0)], len(url) - comma - 1
    if comma < 0 or not data_length or not head.startswith("data:image/") or not head.endswith(";base64"):
        return [
            Problem(
                code="bad-image-url",
                path=path,
                reason="the data URL is not data:image/...;base64, followed by data",
                fix="write data:image/png;base64, and the image in base64",
            )
        ]
    if data_length * 3 // 4 > _IMAGE_BYTES_MAX:
        return [
            Problem(
                code="image-too-large",
                path=path,
                reason=f"the image is {data_length * 3 // 4 / 2**20:.1f} MiB; the API takes 20 MiB",
                fix="make it smaller; more than 6 tiles of 448 x 448 add no detail",
            )
        ]
    return []


def _bad_type(path: Path, reason: str, fix: str) -> Problem:
    return Problem(code="bad-type", path=path, reason=reason, fix=fix)
