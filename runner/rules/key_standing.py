"""Status of the API key, from the reply to `/v1/api-key`: send, stop, ask again, or send without a team."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.rules.reply import Outcome, Reply, of_submit
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_IMPLEMENTED: Final = 501
BLOCKED: Final = "the API says that the key or its team is blocked or disabled"


class Standing(StrEnum):
    """Status of an API key."""

    TOLD = "told"  # it works, and its team is known
    UNTOLD = "untold"  # the API does not name its team; only sending shows whether it works
    REFUSED = "refused"  # nothing can be sent with it
    LATER = "later"  # the API is unavailable or busy: ask again


def standing(
    reply: Reply, *, team_id: str | None, blocked: bool, secrets: Iterable[str] = ()
) -> tuple[Standing, str]:
    """Return the key's status and a one-line message; `team_id` and `blocked` come from the reply's body."""
    if reply.status == 200:
        if blocked:
            return Standing.REFUSED, BLOCKED
        return (Standing.TOLD if team_id else Standing.UNTOLD), ""
    found = of_submit(reply, now_s=0.0, secrets=secrets)
    if found.reason is PauseReason.KEY and found.code != "no-permission":
        return Standing.REFUSED, found.message
    is_busy = found.outcome in (Outcome.REFUSED_FOR_NOW, Outcome.AMBIGUOUS)
    if is_busy and reply.status >= 300 and reply.status != NOT_IMPLEMENTED:
        return Standing.LATER, found.message
    return Standing.UNTOLD, found.message
