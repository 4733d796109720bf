"""A row of the table `runs`: a run with its options."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.db.stored_text import path_of
from runner.rules.occasion import stem_of
from runner.rules.states import RunState

if TYPE_CHECKING:
    from sqlalchemy import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The settings of a run that a user may change; stored with it as JSON (`stored_options` changes them).

    `rpm` and `tpm`: None is not given, 0 is no limit of its own. `limit`: only the first jobs of the file, up
    to this number. `budget_ticks`: None is no budget. `fail_on`: the flaws (chat_completion) that fail a job.
    `on_end`: the shell command to call when the run ends: by the command that follows the run; where none
    does, by the engine of a run with `is_detached`, which stays once --detach was given.
    """

    rpm: int | None = None
    tpm: int | None = None
    max_attempts: int = 5
    on_ambiguous: str = "resubmit"
    max_waiting: int = 50_000
    max_failures: int | None = None
    limit: int | None = None
    budget_ticks: int | None = None
    fail_on: tuple[str, ...] = ()
    on_end: str | None = None
    is_detached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One row of the table `runs`. `repetition` numbers the runs of one identity, from 0.

    `recipe`: what a table is labeled by, as canonical JSON. `needs`: the words that a worker has to know.
    """

    id: int
    identity: str
    repetition: int
    name: str
    state: RunState
    pause_reason: str | None
    pause_text: str | None
    input_path: str
    input_sha256: str
    output_path: str | None
    options: RunOptions
    total: int
    created_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None
    occasion: str | None = None
    recipe: str | None = None
    needs: str | None = None

    @property
    def unit(self) -> str:
        """Return what one job of the run is to a person: a row of a table that is labeled, or a job."""
        return "job" if self.recipe is None else "row"

    @property
    def ids_text(self) -> str:
        """Return in words what an id of a job of the run is."""
        if self.recipe is None:
            return "a custom_id of the job file, or line-N"
        return "one of the column that --id named, without --id row-N"

    @property
    def stem(self) -> str:
        """Return the name without the occasion."""
        return stem_of(self.name, self.occasion)

    @property
    def is_over(self) -> bool:
        """Return whether the run has ended. A cancelled run ends when nothing of it is in flight."""
        return self.state is RunState.FINISHED or (
            self.state is RunState.CANCELLED and self.finished_at_ms is not None
        )


def read_run(row: Row[Any]) -> RunRow:
    """Return a row that was read, as a value."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    options, output = json.loads(fields.pop("options")), fields.pop("output_path")
    return RunRow(
        **{**fields, "state": RunState(fields["state"]), "input_path": path_of(fields["input_path"])},
        output_path=None if output is None else path_of(output),
        options=_options(options),
    )


def _options(stored: dict[str, Any]) -> RunOptions:
    """Return the options of a run's row; unknown names are ignored, missing ones have their defaults."""
    fields = {name: value for name, value in stored.items() if name in RunOptions.__dataclass_fields__}
    return RunOptions(**{**fields, "fail_on": tuple(fields.get("fail_on", ()))})
