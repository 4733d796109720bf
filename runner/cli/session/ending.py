"""Read what to print of a run that stops: outstanding answers, held jobs and their price."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from runner.cli.render import ending_text
from runner.cli.render.suggestions import RefusedModelJobs, RetryCost, suggestion_lines
from runner.cli.session.run_state import fetchable_until_ms
from runner.db import model_moves, user_moves
from runner.db.user_moves import JobSelection
from runner.engine import cost_bounds
from runner.intake.job_file import LoadFlags
from runner.rules import models
from runner.rules.prices import day_of
from runner.rules.replace_model import REFUSED_MODEL_CODES
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Row

    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database
    from runner.engine.cost_bounds import PriceBasis
    from runner.settings import Settings

_HELD: Final = frozenset({JobState.HELD})


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
    pricing = replace(cost_bounds.price_basis(settings.base_url, settings.prices), counts=snapshot.counts)
    run_id, now_ms = snapshot.run.id, snapshot.as_of_ms
    with database.read() as connection:
        lost = user_moves.matching_groups(connection, run_id, JobSelection(states=_HELD, lost=True))
        held = user_moves.matching_groups(connection, run_id, JobSelection(states=_HELD))
        refused = model_moves.refused_models(connection, run_id)
    return suggestion_lines(
        run_id,
        lost=retry_cost(lost, now_ms, pricing),
        held=retry_cost(held, now_ms, pricing),
        refused=RefusedModelJobs(
            names=refused,
            held=sum(group.n for group in held if group.error_code in REFUSED_MODEL_CODES),
            instead=_model_instead(snapshot, refused),
        ),
    )


def _model_instead(snapshot: Snapshot, refused: Collection[str]) -> str:
    """Return a model to set: the one with the most answers in this run, else the one that serves grok-4."""
    answered = {model: n for (kind, model), n in snapshot.counts.items() if kind == "model_jobs" and n}
    default = models.serving(LoadFlags().model, day_of(snapshot.as_of_ms))
    ordered = [*sorted(answered, key=lambda model: -answered[model]), default]
    return next((model for model in ordered if model not in refused), "NAME")


def retry_cost(groups: Sequence[Row[Any]], now_ms: int, pricing: PriceBasis) -> RetryCost:
    """Return what sending groups of jobs again may cost; `groups`: from `user_moves.matching_groups`."""
    ticks = [
        cost_bounds.likely_ticks(
            group.model,
            round(group.prompt_tokens),
            None if group.output_tokens_max is None else round(group.output_tokens_max),
            now_ms,
            pricing,
        )
        for group in groups
    ]
    return RetryCost(
        jobs=sum(group.n for group in groups),
        expired=sum(group.n for group in groups if group.error_code == "expired"),
        known_ticks=sum(
            group.n * each for group, each in zip(groups, ticks, strict=True) if each is not None
        ),
        has_unknown=None in ticks,
    )
