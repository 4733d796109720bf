"""Pause a run because a user said so, with the event of the command: what `pause` does to each run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.session.actor import paused_by_text
from runner.db.events.trail import recorded_by
from runner.db.runs import run_moves
from runner.rules.states import PauseReason, RunState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.events.trail import Actor
    from runner.db.runs.run_row import RunRow


def pause_run(connection: Connection, run: RunRow, actor: Actor, now_ms: int) -> bool:
    """Pause a run and record who did it; return whether it was at work until then."""
    why = paused_by_text(actor, now_ms)
    record = recorded_by(actor, old={"state": run.state}, new={"state": RunState.PAUSED})
    return run_moves.pause(connection, run.id, PauseReason.USER, why, now_ms, record=record)
