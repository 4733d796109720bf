"""`--on-end CMD`: calls the user's command once for each end of a run, from a command or the engine.

A run has ended when it does not go on by itself: finished, cancelled, or paused until a person acts.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from runner.db import run_snapshot, runs
from runner.db.run_snapshot import Part
from runner.embedded.user_command import call_on_end
from runner.output.file_owner import files_of_run
from runner.rules.json_object import encoded

if TYPE_CHECKING:
    from runner.db.run_snapshot import RunSnapshot
    from runner.db.session import Database


def call(database: Database, run_id: int, *, to: IO[Any]) -> str | None:
    """Call the --on-end command of a run that has ended, unless it was called for this end before.

    It runs in the shell, with RUN_ID, RUN_NAME, RUN_STATE, RUN_PAUSED_BY, RUN_EXIT_CODE and RUN_OUTPUT in its
    environment and the run's summary as JSON on stdin; its output goes to `to`. Return what went wrong, else
    None. A failure changes nothing in the run.
    """
    with database.write() as connection:
        ended = run_snapshot.read(connection, run_id, Part.EXAMPLES)
        command = ended.run.options.on_end if ended else None
        if ended is None or not command or not ended.has_stopped:
            return None
        if not runs.claim_on_end(connection, run_id, ended.as_of_ms):
            return None
    summary = ended.summary(files_of_run(ended.run))
    return call_on_end(command, encoded(summary), _variables(ended), to=to)


def call_for_detached(database: Database, *, to: IO[Any]) -> list[str]:
    """Call the commands of ended runs that were started with --detach; return what went wrong, one each."""
    with database.read() as connection:
        run_ids = [run.id for run in runs.with_on_end(connection) if run.options.is_detached]
    return [problem for run_id in run_ids if (problem := call(database, run_id, to=to))]


def _variables(ended: RunSnapshot) -> dict[str, str]:
    run = ended.run
    return {
        "RUN_ID": str(run.id),
        "RUN_NAME": run.name,
        "RUN_STATE": str(run.state),
        "RUN_PAUSED_BY": run.pause_reason or "",
        "RUN_EXIT_CODE": str(ended.exit_code.value),
        "RUN_OUTPUT": run.output_path or "",
    }
