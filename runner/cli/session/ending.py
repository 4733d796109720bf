"""Read what to print of a run that stops: outstanding answers, held jobs and their price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.cli.render import ending_text
from runner.cli.render.suggestions import RefusedModelNames, suggestion_lines
from runner.cli.session.retry_costs import read_retry_cost
from runner.cli.session.run_state import fetchable_until_ms
from runner.db import models_of_run
from runner.db.user_moves import JobSelection
from runner.engine import cost_bounds
from runner.intake.job_file import LoadFlags
from runner.rules import models
from runner.rules.prices import day_of
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Collection

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.settings import Settings

_HELD: Final = JobSelection(states=frozenset({JobState.HELD}))
_LOST: Final = JobSelection(states=frozenset({JobState.HELD}), lost=True)


def ending_lines(database: Database, snapshot: Snapshot, command: str, settings: Settings) -> list[str]:
    """Return why a stopped run is paused, the outstanding answers, and what can be done about held jobs."""
    return [
        *ending_text.paused_lines(snapshot, command),
        *read_outstanding_lines(database, snapshot),
        *read_suggestions(database, snapshot, settings),
    ]


def read_outstanding_lines(database: Database, snapshot: Snapshot) -> list[str]:
    """Return how many answers are outstanding and until when they can be fetched; [] if there is none."""
    return ending_text.outstanding_lines(snapshot, fetchable_until_ms(database, snapshot.run.id))


def read_suggestions(database: Database, snapshot: Snapshot, settings: Settings) -> list[str]:
    """Return what can be done about held jobs, and jobs whose model was refused; [] if there is none."""
    if not snapshot.jobs(JobState.HELD) and snapshot.run.pause_reason != PauseReason.MODEL:
        return []
    run_id, now_ms = snapshot.run.id, snapshot.as_of_ms
    pricing = cost_bounds.price_basis(settings.base_url, settings.prices, snapshot.counts)
    with database.read() as connection:
        lost, held = (
            read_retry_cost(connection, run_id, selection, now_ms, pricing) for selection in (_LOST, _HELD)
        )
        refused = models_of_run.refused(connection, run_id, of_pending=True)
    instead = _model_instead(snapshot, refused)
    return suggestion_lines(run_id, lost=lost, held=held, refused=RefusedModelNames(refused, instead))


def _model_instead(snapshot: Snapshot, refused: Collection[str]) -> str:
    """Return a model to set: the one with the most answers in this run, else the default."""
    answered = {model: n for (kind, model), n in snapshot.counts.items() if kind == "model_jobs" and n}
    default = models.serving(LoadFlags().model, day_of(snapshot.as_of_ms))
    ordered = [*sorted(answered, key=lambda model: -answered[model]), default]
    return next((model for model in ordered if model not in refused), "NAME")
