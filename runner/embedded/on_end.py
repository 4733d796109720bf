"""`--on-end CMD`: calls the user's command once for each end of a run, from a command or the engine.

A run has ended when it does not go on by itself: finished, cancelled, or paused until a person acts.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from runner.db.runs import run_end, run_snapshot
from runner.db.runs.run_snapshot import Part
from runner.embedded.user_command import call_on_end
from runner.output.file_owner import files_of_run
from runner.rules.json_object import encoded

if TYPE_CHECKING:
    from runner.db.runs.run_snapshot import RunSnapshot
    from runner.db.session import Database
    from runner.embedded.state_folder import StateFolder


def call(database: Database, run_id: int, *, to: IO[Any]) -> str | None:
    """Call the --on-end command of a run that has ended, unless it was called for this end before.

    It runs in the shell, with RUN_ID, RUN_NAME, RUN_STATE, RUN_PAUSED_BY, RUN_EXIT_CODE and RUN_OUTPUT in its
    environment and the run's summary as JSON on stdin; its output goes to `to`. Return what went wrong, else
    None. A failure changes nothing in the run.
    """
    ended = _claimed(database, run_id)
    return None if ended is None else _call(ended, to=to)


def call_for_detached(database: Database, home: StateFolder, *, to: IO[Any]) -> list[str]:
    """Call the commands of ended runs that were ever started with --detach; return what went wrong, one each.

    A command that follows a run makes the call itself, after it has written the files.
    """
    with database.read() as connection:
        run_ids = [run.id for run in run_end.with_on_end(connection) if run.options.is_detached]
    problems = []
    for run_id in run_ids:
        ended = _claimed_unfollowed(database, home, run_id)
        if ended is not None and (problem := _call(ended, to=to)):
            problems.append(problem)
    return problems


def _claimed_unfollowed(database: Database, home: StateFolder, run_id: int) -> RunSnapshot | None:
    """Claim the call of an ended run that no command follows; None where there is nothing to call.

    A command that comes meanwhile waits for the claim, not for the call.
    """
    followers = home.followers_lock(run_id)
    if not followers.try_acquire_exclusive():
        followers.release()
        return None
    try:
        return _claimed(database, run_id)
    finally:
        followers.release()


def _claimed(database: Database, run_id: int) -> RunSnapshot | None:
    """Claim the call of a run that has ended; None where it has not, has no command, or was claimed."""
    with database.write() as connection:
        ended = run_snapshot.read(connection, run_id, Part.EXAMPLES)
        if ended is None or not ended.run.options.on_end or not ended.has_stopped:
            return None
        return ended if run_end.claim_on_end(connection, run_id, ended.as_of_ms) else None


def _call(ended: RunSnapshot, *, to: IO[Any]) -> str | None:
    summary = ended.summary(files_of_run(ended.run))
    return call_on_end(ended.run.options.on_end or "", encoded(summary), _variables(ended), to=to)


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
