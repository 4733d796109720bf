"""Whose key it is: a free question that tells the team, and whether the key works at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.rules import error_body

if TYPE_CHECKING:
    from runner.api.xai import XAI
    from runner.rules.reply import Reply
    from runner.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """What `/v1/api-key` said. `team_id` is None where it did not say.

    `blocked`: the key or its team is blocked or disabled.
    """

    reply: Reply
    team_id: str | None
    blocked: bool


def key_name(settings: Settings) -> str:
    """Name the key without telling it, for as long as its team is not known."""
    return settings.api_key.fingerprint if settings.api_key is not None else "no-key"


async def api_key_info(api: XAI) -> KeyInfo:
    """Ask whose key it is. Raises Failed; a refusal is told by `reply`."""
    reply = await api.get("/api-key")
    said = error_body.load(reply.body) if reply.status == 200 else None
    facts: dict[str, Any] = said if isinstance(said, dict) else {}
    return KeyInfo(
        reply=reply,
        team_id=_text(facts.get("team_id")),
        blocked=any(
            facts.get(word) is True for word in ("team_blocked", "api_key_blocked", "api_key_disabled")
        ),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
