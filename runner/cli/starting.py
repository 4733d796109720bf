"""What `runner start` and `runner resume` do once their flags are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.cli import json, snapshot, spending, text, working
from runner.cli.crew import NOBODY, crew_of
from runner.cli.offers import at_rest
from runner.cli.opening import existing_database, find_run, need_key
from runner.cli.report import summary_lines
from runner.db import runs
from runner.rules.errors import UsageError
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.cli.hold import Hold
    from runner.db.session import Database
    from runner.settings import Settings


def set_going(
    settings: Settings,
    held: Hold,
    run: str,
    changes: Mapping[str, Any],
    given: Mapping[str, Any],
) -> int:
    """Set a run to work with some options changed; `given` are the other flags."""
    detach, as_json, quiet = given["detach"], given["as_json"], given["quiet"]
    with existing_database(settings) as database:
        with database.read() as connection:
            found = find_run(connection, run)
        if found.state is RunState.LOADING:
            raise UsageError(f"run {found.id} is still being loaded", fix="load its file again")
        if not found.is_over:
            need_key(settings)
            _change(
                settings, database, found.id, {**changes, "on_end": given["on_end"], "is_detached": detach}
            )
            if detach and held.attachment is not None:
                held.attachment.detach()
            working.set_to_work(database, found.id, held)
        if detach:
            if not quiet:
                crew = crew_of(settings, database)
                is_idle = crew is not None and not crew.alive()
                told = NOBODY if is_idle else f"run {found.id} is at work"
                text.note(f"{told}; to watch it: runner watch {found.id}")
            if as_json:
                json.emit(snapshot.live(database, snapshot.read(database, found.id)))
            return 0
        ending = working.stay(
            settings,
            database,
            found.id,
            held,
            quiet=quiet,
            verbose=given["verbose"],
            timeout_s=given["timeout"],
        )
        if ending.left_by is not None:
            again = f"runner start {found.id}"
            working.leave(database, found.id, held, command=again, as_json=as_json)
            return ending.left_by
        code = _tell(settings, database, found.id, as_json=as_json, quiet=quiet)
        working.tell_end(database, found.id)
        return code


def _change(settings: Settings, database: Database, run_id: int, changes: Mapping[str, Any]) -> None:
    if changes.get("budget_ticks"):
        spending.need_prices(database, settings, run_id)
    with database.write() as connection:
        runs.change(connection, run_id, **changes)


def _tell(settings: Settings, database: Database, run_id: int, *, as_json: bool, quiet: bool) -> int:
    """Tell how a run stands now that it stands still; return the exit code."""
    seen = snapshot.read(database, run_id)
    if as_json:
        json.emit(snapshot.live(database, seen))
    elif not quiet:
        for line in summary_lines(snapshot.summary(database, seen)):
            text.out(line)
    for line in at_rest(database, seen, f"runner resume {run_id}", settings):
        text.note(line)
    return working.code_of(seen)
