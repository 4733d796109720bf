"""`--on-end CMD`: the user's command, called once for each end of a run, whoever sees that end.

An end is that nothing more happens by itself: finished, cancelled, or paused, where a person is needed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import orjson

from runner.db import counters, runs
from runner.output.claim import files_written, mark_of
from runner.output.files import paths
from runner.output.write import run_summary
from runner.rules.exit_codes import of_run
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.runs import RunRow
    from runner.db.session import Database

TIMEOUT_S: Final = 60.0


def call(database: Database, run_id: int, *, to: IO[Any]) -> str | None:
    """Call the command of a run that has come to an end, unless that was done for this end.

    It runs in the shell, with RUN_ID, RUN_NAME, RUN_STATE, RUN_PAUSED_BY, RUN_EXIT_CODE and RUN_OUTPUT in its
    environment and the run's summary on stdin; what it prints goes to `to`. Return what went wrong, if
    anything did: that changes nothing for the run.
    """
    with database.write() as connection:
        run, counts = runs.find(connection, run_id), counters.read(connection, run_id)
        if run is None or not run.options.on_end or not runs.stands_still(run, counts):
            return None
        if not runs.claim_end(connection, run_id, database.now_ms()):
            return None
        told = run_summary(connection, run, counts, _files(run))
    facts = _facts(run, counters.states(counts))
    return _run(run.options.on_end, orjson.dumps(told), os.environ | facts, to)


def call_for_detached(database: Database, *, to: IO[Any]) -> list[str]:
    """Call the commands of runs that were set to work with --detach; return what went wrong."""
    with database.read() as connection:
        found = [run.id for run in runs.with_on_end(connection) if run.options.is_detached]
    return [trouble for run_id in found if (trouble := call(database, run_id, to=to))]


def _run(command: str, stdin: bytes, environment: Mapping[str, str], to: IO[Any]) -> str | None:
    try:
        process = subprocess.Popen(  # noqa: S602 - the user's own command, in the shell that it is written for
            command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=to,
            stderr=to,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"--on-end could not be started: {error}"
    try:
        with contextlib.suppress(BrokenPipeError):
            process.communicate(stdin, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"--on-end was ended after {TIMEOUT_S:g} s"
    return f"--on-end ended with exit code {process.returncode}" if process.returncode else None


def _facts(run: RunRow, states: Mapping[JobState, int]) -> dict[str, str]:
    code = of_run(run.state, run.pause_reason, failed=states[JobState.FAILED], held=states[JobState.HELD])
    facts = {
        "RUN_ID": str(run.id),
        "RUN_NAME": run.name,
        "RUN_STATE": str(run.state),
        "RUN_PAUSED_BY": run.pause_reason or "",
        "RUN_EXIT_CODE": str(code.value),
        "RUN_OUTPUT": run.output_path or "",
    }
    return {name: value.replace("\0", "\ufffd") for name, value in facts.items()}


def _files(run: RunRow) -> Mapping[str, Any]:
    return files_written(paths(Path(run.output_path)), mark_of(run)) if run.output_path else {}
