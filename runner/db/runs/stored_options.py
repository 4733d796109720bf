"""The options of a run: change those that are named, and keep the others."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from runner.db.events import events
from runner.db.runs import run_row, runs
from runner.db.stored_text import stored_path
from runner.rules.event_kinds import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsChange:
    """The options that changed, of a run, a night or a team, by their names: the values before and after."""

    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def between(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> OptionsChange:
        """Return what differs; a name that is missing on one side is None there."""
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return cls(
            old={name: before.get(name) for name in names}, new={name: after.get(name) for name in names}
        )


def options_in_force(options: run_row.RunOptions) -> dict[str, Any]:
    """Return the options that bind a run or do something, by their names."""
    return {
        name: value
        for name, value in asdict(options).items()
        if value is not None and value is not False and value != ()
    }


def planned_change(options: run_row.RunOptions, named: Mapping[str, Any]) -> OptionsChange:
    """Return which of the named values differ from a run's options."""
    before = asdict(options)
    return OptionsChange.between({name: before[name] for name in named}, named)


def change(connection: Connection, run_id: int, named: Mapping[str, Any], now_ms: int) -> OptionsChange:
    """Give a run the named options; return what that changed. The run's row stays locked.

    A command for --on-end that is named after the run has ended is for its next end.
    """
    runs.lock(connection, run_id)
    run = runs.find(connection, run_id)
    planned = OptionsChange() if run is None else planned_change(run.options, named)
    if planned.new:
        query = text("SELECT options FROM runs WHERE id = :id")  # a newer version may have further ones
        stored = json.loads(connection.execute(query, {"id": run_id}).scalar_one())
        connection.execute(
            text("UPDATE runs SET options = :options WHERE id = :id"),
            {"id": run_id, "options": json.dumps(stored | dict(planned.new))},
        )
    if run is not None and run.is_over and planned.new.get("on_end"):
        events.record(connection, run_id, now_ms, EventKind.NOTIFIED, "--on-end was named after the end")
    return planned


def set_output_path(connection: Connection, run_id: int, path: str) -> OptionsChange:
    """Set where the results of a run are written; return what that changed."""
    run = runs.find(connection, run_id)
    if run is None or run.output_path == path:
        return OptionsChange()
    connection.execute(
        text("UPDATE runs SET output_path = :output WHERE id = :id"),
        {"id": run_id, "output": stored_path(path)},
    )
    return OptionsChange(old={"output": run.output_path}, new={"output": path})
