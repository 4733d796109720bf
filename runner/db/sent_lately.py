"""What was sent in the last minute, for a limiter whose memory was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from runner.db.session import Database

WINDOW_MS = 60_000
OUTPUT_TOKENS_GUESS = 500  # of an attempt whose answer is still out


def read(database: Database, now_ms: int) -> list[tuple[str, int, int]]:
    """Return (model, age in microseconds, estimated tokens) of every attempt of the last minute."""
    with database.read() as connection:
        rows = connection.execute(
            text(
                "SELECT j.model, a.marked_at_ms, COALESCE(a.total_tokens, j.prompt_tokens"
                f" + COALESCE(j.output_tokens_max, {OUTPUT_TOKENS_GUESS})) AS tokens"
                " FROM attempts a JOIN jobs j ON j.id = a.job_id"
                " WHERE a.marked_at_ms > :since AND a.outcome <> 'not_sent'"
            ),
            {"since": now_ms - WINDOW_MS},
        )
        return [(row.model, max(0, now_ms - row.marked_at_ms) * 1000, row.tokens) for row in rows]
