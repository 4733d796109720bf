"""What the reply to `/v1/api-key` means for sending: go on, stop, ask again, or go on without a team."""

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
    """How a key stands with the API."""

    TOLD = "told"  # it works, and its team is known
    UNTOLD = "untold"  # the API does not say whose it is; only sending shows whether it works
    REFUSED = "refused"  # nothing can be sent with it
    LATER = "later"  # the API is away or busy: ask again


def standing(
    reply: Reply, *, team_id: str | None, blocked: bool, secrets: Iterable[str] = ()
) -> tuple[Standing, str]:
    """Judge the reply, of which `team_id` and `blocked` were read; return it with a line for people."""
    if reply.status == 200:
        if blocked:
            return Standing.REFUSED, BLOCKED
        return (Standing.TOLD if team_id else Standing.UNTOLD), ""
    verdict = of_submit(reply, now_s=0.0, secrets=secrets)
    if verdict.reason is PauseReason.KEY and verdict.code != "no-permission":
        return Standing.REFUSED, verdict.message
    busy = verdict.outcome in (Outcome.REFUSED_FOR_NOW, Outcome.AMBIGUOUS)
    if busy and reply.status >= 300 and reply.status != NOT_IMPLEMENTED:
        return Standing.LATER, verdict.message
    return Standing.UNTOLD, verdict.message
