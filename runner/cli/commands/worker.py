"""`runner worker`: worker processes for shared servers, kept alive until a signal."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Annotated, Final

import click
from sqlalchemy.exc import DBAPIError

from runner import celery_variables
from runner.cli import flags, value_types
from runner.cli.printing import print_json, print_note
from runner.cli.render import text
from runner.cli.session.context import any_database, read_settings, require_api
from runner.cli.session.following.stop_signal import StopSignal
from runner.db.connection import database_checks
from runner.db.workers import fleet
from runner.embedded import processes
from runner.engine.process.host_id import host_id
from runner.limiter import server_check
from runner.rules.errors import UsageError, UserError
from runner.rules.exit_codes import ExitCode
from runner.rules.json_object import SCHEMA, JsonObject, Schema, about

if TYPE_CHECKING:
    import subprocess

    from runner.settings import Settings

_CHECK_S: Final = 1.0  # also the shortest time between two starts of a worker that dies immediately
_STDERR: Final = 2


class StartedWorkers(JsonObject, frozen=True, kw_only=True):
    """Workers that are at work."""

    schema: Schema
    workers: Annotated[list[Annotated[int, about("one worker")]], about("process ids")]
    beat: Annotated[bool, about("whether one of them runs the beat")]


_HELP: Final = """\
Work for the runs of the shared database until Ctrl-C or SIGTERM.

Requests in flight are finished first. It also ends, with code 0, when all of its processes were drained
(`runner workers drain NODE`). Needs RUNNER_DATABASE_URL and RUNNER_REDIS_URL; without them a run
starts its own workers. --json prints one object when the workers have started.

\b
Example, on the first machine and on each other one:
  runner worker --processes 2 --beat
  runner worker --processes 2
"""


@click.command("worker", short_help="Work for runs on shared servers.", help=_HELP)
@click.option(
    "--processes", "count", type=value_types.Count(1, 64), metavar="N", help="Worker processes.  [default: 1]"
)
@click.option(
    "--beat",
    is_flag=True,
    help="Also run the beat, which starts the reaper every few seconds; use it on one machine.",
)
@flags.json_flag
def command(*, count: int | None, beat: bool, as_json: bool) -> int:
    """Work for the runs of the shared database until Ctrl-C or SIGTERM."""
    settings = read_settings({"worker_processes": count})
    if settings.embedded:
        raise UsageError(
            "worker is for shared servers; here, runs bring their own workers",
            fix="set RUNNER_DATABASE_URL and RUNNER_REDIS_URL, or just: runner run FILE",
        )
    require_api(settings)
    _check_servers(settings)
    return _keep(settings, beat=beat, as_json=as_json)


def _check_servers(settings: Settings) -> None:
    """Raise UserError where the database or Redis keeps workers from their work."""
    with any_database(settings) as database:
        database_checks.check(database)
    server_check.inspect(settings.effective_redis_url)


def _keep(settings: Settings, *, beat: bool, as_json: bool) -> ExitCode:
    """Keep the workers alive until a signal, or until all were drained; then let them finish."""
    count, problem = settings.worker_processes or 1, ""
    with StopSignal() as stop:
        workers = {place: _spawn(place, beat=beat) for place in range(count)}
        print_note(f"{text.count(count, 'worker')} at work; press Ctrl-C to stop")
        if as_json:
            pids = [child.pid for child in workers.values()]
            print_json(StartedWorkers(schema=SCHEMA, workers=pids, beat=beat))
        while (requested := stop.wait(_CHECK_S)) is None:
            problem = _replace_ended(settings, workers, problem, beat=beat)
            if not workers:
                print_note("all workers were drained")
                return ExitCode.OK
        print_note("stopping; requests in flight are finished first; press again to stop now")
        for child in workers.values():
            child.send_signal(signal.SIGTERM)
        for child in workers.values():
            child.wait()
        return requested


def _replace_ended(
    settings: Settings, workers: dict[int, subprocess.Popen[bytes]], problem: str, *, beat: bool
) -> str:
    """Start workers in place of those that have ended, by their place; remove those that were drained.

    `problem` is what was last printed of what keeps them from their work; return what is now.
    """
    for place, child in [*workers.items()]:
        if child.poll() is None:
            continue
        if _is_drained(settings, child.pid):
            print_note(f"worker {place + 1} was drained; it is not started again")
            del workers[place]
            continue
        print_note(f"worker {place + 1} ended with {child.returncode}; starting it again")
        problem = print_problem(settings, problem)
        workers[place] = _spawn(place, beat=beat)
    return problem


def _is_drained(settings: Settings, pid: int) -> bool:
    """Return whether a worker that has ended was to drain, by whatever it ended; False if unknown."""
    try:
        with any_database(settings) as database, database.read() as connection:
            return fleet.is_drained(connection, host_id(settings), pid)
    except (UserError, DBAPIError):
        return False


def print_problem(settings: Settings, before: str) -> str:
    """Print what keeps workers from their work, unless that was printed before; return it, "" for nothing."""
    problem = ""
    try:
        _check_servers(settings)
    except UserError as error:
        problem = text.error_block(error)
    if problem not in {"", before}:
        print_note(problem)
    return problem


def _spawn(place: int, *, beat: bool) -> subprocess.Popen[bytes]:
    """Start a worker that dies with this process, under a name that no other on this machine has."""
    arguments = ["--node", f"w{os.getpid()}-{place + 1}", *(["--beat"] if beat and place == 0 else [])]
    env = {**celery_variables.without(os.environ), processes.PARENT_ENV: str(os.getpid())}
    child = processes.spawn([*processes.WORKER_COMMAND, *arguments], env, log=_STDERR)
    processes.release(child)
    return child
