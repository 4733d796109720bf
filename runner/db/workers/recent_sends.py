"""The recent sends: every attempt of the last minute, to rebuild the log of an emptied limiter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from runner.rules.requests import tokens

if TYPE_CHECKING:
    from runner.db.session import Database

WINDOW_MS = 60_000
POST_MS_MAX = 120_000  # longest time of a POST: it ends within its lease


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentSend:
    """One attempt: `slot` is the name of its slot in the limiter, or None; `age_us` in microseconds."""

    model: str
    slot: str | None
    age_us: int
    tokens: int


def read(database: Database, now_ms: int) -> list[RecentSend]:
    """Return every attempt that may have arrived in the last minute.

    The age counts from the reply; without a reply it is 0, as in the limiter's own log. The tokens are those
    that the attempt used, else those that its slot had reserved, else an estimate.
    """
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT * FROM (SELECT j.model, a.slot, a.total_tokens,"
                " j.prompt_tokens + j.ask_tokens AS prompt_tokens, j.output_tokens_max,"
                " COALESCE(a.accepted_at_ms, a.collected_at_ms, :now) AS at_ms"
                " FROM attempts a JOIN jobs j ON j.id = a.job_id"
                " WHERE a.marked_at_ms > :marked AND a.outcome NOT IN ('not_sent', 'withheld')) sent"
                " WHERE at_ms > :since"
            ),
            {"now": now_ms, "marked": now_ms - WINDOW_MS - POST_MS_MAX, "since": now_ms - WINDOW_MS},
        )
        return [
            RecentSend(
                model=row.model,
                slot=row.slot,
                age_us=max(0, now_ms - row.at_ms) * 1000,
                tokens=row.total_tokens
                or _reserved_tokens(row.slot)
                or tokens.expected_tokens(row.prompt_tokens, row.output_tokens_max),
            )
            for row in rows
        ]


def _reserved_tokens(slot: str | None) -> int:
    """Return the tokens at the end of a slot's name (limiter/common.lua); 0 without a slot."""
    return int(slot.rpartition(":")[2]) if slot else 0
