"""Which nights keep their answers, beside their scores: those whose answers may be graded again."""

from __future__ import annotations

from enum import StrEnum

from runner.rules.evaluation.gate.pool import POOL_MOST


class Kept(StrEnum):
    """Why the answers of a night are kept."""

    OPEN = "open"  # it has no verdict yet
    POOL = "pool"  # the next night is compared with it
    PINNED = "pinned"


def reason_to_keep(*, is_open: bool, is_pinned: bool, is_accepted: bool, accepted_since: int) -> Kept | None:
    """Return why a night keeps its answers; None: it need not.

    `accepted_since`: how many accepted nights of its suite are newer.
    """
    if is_open:
        return Kept.OPEN
    if is_pinned:
        return Kept.PINNED
    return Kept.POOL if is_accepted and accepted_since < POOL_MOST else None
