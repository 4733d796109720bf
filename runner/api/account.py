"""Information about the API key (`GET /v1/api-key`, free): its team, and whether it is valid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from runner.api.request_failed import RequestFailed
from runner.rules.replies import error_body
from runner.rules.replies.key_status import KeyStatus, key_status

if TYPE_CHECKING:
    from runner.api.client import XAIClient
    from runner.rules.replies.reply import Reply
    from runner.settings import Settings


_REFUSED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """The reply of `/v1/api-key`; `team_id` is None where the reply lacks it."""

    reply: Reply
    team_id: str | None
    blocked: bool  # the key or its team is blocked or disabled


def key_fingerprint(settings: Settings) -> str:
    """Return a name for the key that does not reveal it, for use while its team is unknown."""
    return settings.api_key.fingerprint if settings.api_key is not None else "no-key"


async def api_key_info(api: XAIClient) -> KeyInfo:
    """Return what the API knows of the key. A refused key has a `reply` of another status than 200.

    Raises RequestFailed.
    """
    reply = await api.get("/api-key")
    content = error_body.load_json(reply.body) if reply.status == 200 else None
    fields: dict[str, Any] = content if isinstance(content, dict) else {}
    return KeyInfo(
        reply=reply,
        team_id=_text(fields.get("team_id")),
        blocked=any(
            fields.get(name) is True for name in ("team_blocked", "api_key_blocked", "api_key_disabled")
        ),
    )


async def status_of_key(api: XAIClient, info: KeyInfo) -> tuple[KeyStatus, str]:
    """Return the key's status and a sentence: NO_ENDPOINT only where the base URL itself is wrong.

    An API without `/api-key` serves its models all the same; then the team is unknown. Raises RequestFailed.
    """
    status, why = key_status(info.reply, team_id=info.team_id, blocked=info.blocked, secrets=api.secrets)
    if status is not KeyStatus.NO_ENDPOINT:
        return status, why
    models = await api.get("/models")
    found, words = key_status(models, team_id=None, blocked=False, secrets=api.secrets)
    return (found, why) if found is KeyStatus.NO_ENDPOINT else (found, words)


async def answers(api: XAIClient) -> bool:
    """Return whether the API itself answers a free request, and nothing in front of it.

    A key without the right to list models is refused in the form of the API's errors.
    """
    try:
        reply = await api.get("/models")
    except RequestFailed:
        return False
    if reply.status == HTTPStatus.OK:
        return isinstance(error_body.load_json(reply.body), dict)
    return reply.status in _REFUSED and error_body.has_api_form(reply.body)


async def takes_posts(api: XAIClient, model: str) -> bool:
    """Return whether a free POST reaches the API: its reply is an object, whatever that says."""
    try:
        reply = await api.post("/tokenize-text", json.dumps({"model": model, "text": "a"}).encode())
    except RequestFailed:
        return False
    return isinstance(error_body.load_json(reply.body), dict)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
