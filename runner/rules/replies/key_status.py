"""Status of the API key, from the reply to `/v1/api-key`: send, stop, ask again, or send without a team."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.rules.explain import explain
from runner.rules.replies import error_body
from runner.rules.replies.reply import Outcome, Reply, classify_submit
from runner.rules.replies.reply_table import FIREWALL_PAGE
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_IMPLEMENTED: Final = 501
_BUSY: Final = (Outcome.REFUSED_FOR_NOW, Outcome.TRANSIENT, Outcome.AMBIGUOUS, Outcome.NOT_SENT)
BLOCKED: Final = "the API says that the key or its team is blocked or disabled"


class KeyStatus(StrEnum):
    """Status of an API key."""

    TEAM_KNOWN = "told"  # it works, and its team is known
    TEAM_UNKNOWN = "untold"  # the API does not name its team; only sending shows whether it works
    REFUSED = "refused"  # nothing can be sent with it
    RETRY_LATER = "later"  # the API is unavailable or busy: ask again
    NO_ENDPOINT = "no endpoint"  # a gateway without it, or a wrong address: another endpoint shows which


def key_status(
    reply: Reply, *, team_id: str | None, blocked: bool, secrets: Iterable[str]
) -> tuple[KeyStatus, str]:
    """Return the key's status and a one-line message; `team_id` and `blocked` come from the reply's body."""
    if reply.status == 200:
        return _status_of_success(reply.body, team_id=team_id, blocked=blocked)
    found = classify_submit(reply, now_s=0.0, secrets=secrets)
    if found.reason is PauseReason.KEY and found.code != "no-permission":
        return KeyStatus.REFUSED, found.message
    if found.reason is PauseReason.SETTING:
        return KeyStatus.NO_ENDPOINT, found.message
    if found.outcome in _BUSY and reply.status >= 300 and reply.status != NOT_IMPLEMENTED:
        return KeyStatus.RETRY_LATER, found.message
    return KeyStatus.TEAM_UNKNOWN, found.message


def _status_of_success(body: bytes, *, team_id: str | None, blocked: bool) -> tuple[KeyStatus, str]:
    if error_body.is_page(body):
        return KeyStatus.RETRY_LATER, explain(FIREWALL_PAGE)
    if blocked:
        return KeyStatus.REFUSED, BLOCKED
    return (KeyStatus.TEAM_KNOWN if team_id else KeyStatus.TEAM_UNKNOWN), ""
