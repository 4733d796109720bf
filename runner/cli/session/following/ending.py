"""What to print of a run that stops: why, outstanding answers, held jobs and their price."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.render.runs import ending_text
from runner.cli.render.suggestions import RefusedModelNames, suggestion_lines
from runner.cli.session.jobs.retry_costs import retry_cost
from runner.engine.runs import cost_bounds
from runner.home_folder import current_folder
from runner.intake.job_file import LoadFlags
from runner.rules import models
from runner.rules.prices import day_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from runner.cli.snapshot import Snapshot
    from runner.settings import Settings


def folder_of(results: Path) -> str:
    """Return the folder of a results file with a slash at its end; "" for the current one."""
    folder = results.parent
    return "" if folder in (Path(), current_folder()) else f"{folder}/"


def ending_lines(snapshot: Snapshot, command: str, settings: Settings) -> list[str]:
    """Return why a stopped run is paused, the outstanding answers, and what can be done about held jobs.

    `snapshot` needs all parts.
    """
    return [
        *ending_text.paused_lines(snapshot, command),
        *ending_text.outstanding_lines(snapshot),
        *suggestions(snapshot, settings),
    ]


def suggestions(snapshot: Snapshot, settings: Settings) -> list[str]:
    """Return what can be done about held jobs, and jobs whose model was refused; [] if there is none."""
    jobs, now_ms = snapshot.stored.held, snapshot.as_of_ms
    if not jobs.held and not jobs.refused_models:
        return []
    price_basis = cost_bounds.PriceBasis.of(settings.base_url, settings.prices, snapshot.counts)
    instead = _model_instead(snapshot, jobs.refused_models)
    return suggestion_lines(
        snapshot.run.id,
        lost=retry_cost(jobs.lost, now_ms, price_basis),
        held=retry_cost(jobs.held, now_ms, price_basis),
        refused=RefusedModelNames(jobs.refused_models, instead),
    )


def _model_instead(snapshot: Snapshot, refused: Collection[str]) -> str:
    """Return a model to set: the one with the most answers in this run, else the default."""
    answered = {model: n for (kind, model), n in snapshot.counts.items() if kind == "model_jobs" and n}
    default = models.serving(LoadFlags().model, day_of(snapshot.as_of_ms))
    ordered = [*sorted(answered, key=lambda model: -answered[model]), default]
    return next((model for model in ordered if model not in refused), "NAME")
