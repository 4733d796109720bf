"""Claims of the --on-end notification of nights: one for each verdict that differs from the last reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

# A verdict is reported when it is not newer than the last claim: `nights.end` gives a further one a later
# time, and a claim is never before the verdict that it is for, whatever the clocks say.
UNREPORTED: Final = (
    "n.state = 'ended' AND (n.on_end_at_ms IS NULL OR n.verdict <> (SELECT v.verdict FROM eval_verdicts v"
    " WHERE v.night_id = n.id AND v.at_ms <= n.on_end_at_ms ORDER BY v.id DESC LIMIT 1))"
)
_CLAIM: Final = (
    "UPDATE eval_nights AS n SET on_end_at_ms = CASE WHEN n.ended_at_ms > :now THEN n.ended_at_ms ELSE :now"
    " END WHERE n.id = :id"
)


def claim_on_end(connection: Connection, night_id: int, verdict: str, now_ms: int) -> bool:
    """Claim the notification of an ended night for its verdict.

    False where the night has another verdict by now, or the last notification was of the same one.
    """
    query = text(f"{_CLAIM} AND n.verdict = :verdict AND {UNREPORTED}")
    return connection.execute(query, {"id": night_id, "verdict": verdict, "now": now_ms}).rowcount == 1


def count_as_reported(connection: Connection, night_id: int, now_ms: int) -> None:
    """Let no notification follow the newest verdict of a night that had one before: its reader has asked."""
    query = text(f"{_CLAIM} AND n.on_end_at_ms IS NOT NULL")
    connection.execute(query, {"id": night_id, "now": now_ms})
