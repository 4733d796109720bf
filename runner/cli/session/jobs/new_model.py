"""Send jobs of a run again with another model: what it takes of them, what that costs, and the moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runner.cli.render import text
from runner.cli.render.suggestions import RetryCost
from runner.db.events import events
from runner.db.moves import model_moves, user_moves
from runner.db.runs import run_moves
from runner.engine.runs import cost_bounds
from runner.rules.errors import UsageError
from runner.rules.printed_id import short_id
from runner.rules.requests.request import validate_with_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from runner.db.counts.counters import Deltas
    from runner.db.jobs.job_selection import JobSelection
    from runner.db.moves.user_moves import JobsEvent
    from runner.db.runs.run_row import RunRow
    from runner.db.session import Database
    from runner.engine.runs.cost_bounds import PriceBasis
    from runner.rules.diagnostics import Problem
    from runner.rules.requests.validate import Validation
    from runner.rules.sending.rate_limits import GivenLimits

_SHOWN_MAX: Final = 5
_ID_LENGTH: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModel:
    """The model to send jobs with, and the limits that were given, which a prompt has to fit."""

    name: str
    limits: GivenLimits

    def validate(self, body: bytes) -> Validation:
        """Return what is wrong with a stored body with this model."""
        return validate_with_model(body, self.name, self.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewModelPlan:
    """What another model takes of the chosen jobs.

    `cost` is of those that it takes. `refused_total`: the jobs that it does not take, and that stay as they
    are; `refused` the first of them as sentences. `warnings`: of the model itself.
    """

    cost: RetryCost
    refused_total: int
    refused: tuple[str, ...]
    warnings: tuple[Problem, ...]

    def lines(self, model: str, unit: str) -> list[str]:
        """Return what is to be known before the jobs are sent; `unit` is what one is called."""
        lines = [f"warning: {problem.reason} [{problem.code}]" for problem in self.warnings]
        if self.refused_total:
            stay = "stays as it is" if self.refused_total == 1 else "stay as they are"
            lines.append(
                f"{text.count(self.refused_total, unit)} {stay}, since {model} does not take the body:"
            )
        return [*lines, *(f"  {sentence}" for sentence in self.refused)]


@dataclass(slots=True)
class _Sums:
    """Jobs that the model takes, with their cost, and those that it refuses: the first as sentences."""

    taken: int = 0
    known_ticks: int = 0
    has_unknown: bool = False
    warnings: tuple[Problem, ...] = ()
    refused_total: int = 0
    refused: list[str] = field(default_factory=list)

    def add_taken(self, problems: Sequence[Problem], ticks: int | None) -> None:
        """Add a job; `ticks`: its likely cost, None if that is not known."""
        self.taken += 1
        self.known_ticks += ticks or 0
        self.has_unknown = self.has_unknown or ticks is None
        self.warnings = self.warnings or tuple(one for one in problems if one.path == ("model",))

    def add_refused(self, custom_id: str, problems: Sequence[Problem]) -> None:
        """Add a job that stays as it is."""
        self.refused_total += 1
        if len(self.refused) < _SHOWN_MAX:
            self.refused.append(_sentence(custom_id, problems))


def plan(
    database: Database, run: RunRow, selection: JobSelection, model: NewModel, price_basis: PriceBasis
) -> NewModelPlan:
    """Read the chosen jobs and validate each with another model. Raises UsageError if it takes none."""
    sums, now_ms = _Sums(), database.now_ms()
    with database.read() as connection:
        for job, found in model_moves.check(connection, run.id, selection, model.validate):
            if found.refused:
                sums.add_refused(job.custom_id, found.problems)
                continue
            ticks = cost_bounds.likely_ticks(
                model.name, found.prompt_tokens, found.max_output_tokens, now_ms, price_basis
            )
            sums.add_taken(found.problems, ticks)
    if sums.refused and not sums.taken:
        raise UsageError(
            f"{model.name} takes none of these {text.count(sums.refused_total, run.unit)}; nothing was done",
            where=tuple(sums.refused),
            fix="name another model with --set-model",
        )
    return NewModelPlan(
        cost=RetryCost(jobs=sums.taken, known_ticks=sums.known_ticks, has_unknown=sums.has_unknown),
        refused_total=sums.refused_total,
        refused=tuple(sums.refused),
        warnings=sums.warnings,
    )


def send_again(
    database: Database, begun: JobsEvent, run: RunRow, selection: JobSelection, model: NewModel
) -> int:
    """Set the model of the chosen jobs and make them pending, in chunks; return how many.

    `begun`: the event of the command. A crash leaves whole chunks: the same command again does the rest.
    """
    now_ms = begun.at_ms

    def send_some(after: int | None, connection: Connection, deltas: Deltas) -> user_moves.Walked:
        walked = model_moves.retry_with_model(
            connection, run.id, selection, model.name, model.validate, now_ms, deltas, after
        )
        if walked.moved:
            run_moves.reopen(connection, run.id, now_ms, record=events.record_nothing)
        return walked

    return user_moves.walk_in_chunks(database, begun, send_some).moved


def _sentence(custom_id: str, problems: Sequence[Problem]) -> str:
    first = next(problem for problem in problems if problem.severity == "refused")
    return f"{short_id(custom_id, _ID_LENGTH)}: {first.reason} [{first.code}]"
