"""What was sent in the last minute, for a limiter whose memory was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from runner.rules import tokens

if TYPE_CHECKING:
    from runner.db.session import Database

WINDOW_MS = 60_000
UNDER_WAY_MS = 120_000  # a POST ends within its lease


def read(database: Database, now_ms: int) -> list[tuple[str, int, int]]:
    """Return (model, age in microseconds, tokens) of every attempt that may have arrived in the last minute.

    Each counts from its reply on, one without a reply from now on, as in the log that was lost; with the
    tokens it used, else those its slot had reserved, else an estimate.
    """
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT * FROM (SELECT j.model, a.slot, a.total_tokens, j.prompt_tokens, j.output_tokens_max,"
                " COALESCE(a.accepted_at_ms, a.collected_at_ms, :now) AS at_ms"
                " FROM attempts a JOIN jobs j ON j.id = a.job_id"
                " WHERE a.marked_at_ms > :marked AND a.outcome <> 'not_sent') sent WHERE at_ms > :since"
            ),
            {"now": now_ms, "marked": now_ms - WINDOW_MS - UNDER_WAY_MS, "since": now_ms - WINDOW_MS},
        )
        return [
            (
                row.model,
                max(0, now_ms - row.at_ms) * 1000,
                row.total_tokens
                or _reserved(row.slot)
                or tokens.expected(row.prompt_tokens, row.output_tokens_max),
            )
            for row in rows
        ]


def _reserved(slot: str | None) -> int:
    """Read the tokens at the end of a slot's name (limiter/log.lua)."""
    return int(slot.rpartition(":")[2]) if slot else 0
