"""The crash ladder: forks a process for each fault point, and checks the ledger after each.

A process loads 20 jobs, works on them until their run has ended, and writes the files. At fault point N it
exits or an error is raised; then a second process without faults must finish the run. The ladder codes when a
process does not reach point N.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import json
import urllib.request

import ledger
import psycopg
from fault_points import FaultPoints, Mode
from live_runner import KEY, write_jobs
from redis import Redis
from servers import free_port
from sqlalchemy import text
from valkey_server import valkey_server

from runner import settings as settings_of
from runner.api import deferred
from runner.db import migrate
from runner.db.counts.counters import Deltas
from runner.db.moves import job_moves
from runner.db.runs import run_moves, runs
from runner.db.runs.run_row import RunOptions
from runner.db.session import Database
from runner.db.workers import workers
from runner.engine.collecting import keep_answers
from runner.engine.process import heartbeat, shared_clock
from runner.engine.process.loop_thread import LoopThread
from runner.engine.runs import run_completion
from runner.engine.stages import open_stages
from runner.engine.storing.spool import Segment
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.intake.load import WantedRun, load
from runner.output.write import write_job_results
from runner.rules.states import RunState
from runner.simulator import process as simulator
from runner.simulator.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.api.client import XAIClient
    from runner.rules.replies.reply import Reply
    from runner.settings import Settings

JOBS: Final = 20
FEW_JOBS: Final = 2
RPM: Final = 30_000
PROCESS_S: Final = 120.0
PERSISTS_S: Final = 0.6
# A process that goes on after an error waits for the end of a lease; a new one reads the spool of the last.
SHORT_TIMES: Final = {
    "RUNNER_LEASE_S": "2.5", "RUNNER_READ_TIMEOUT_S": "1.5", "RUNNER_CONNECT_TIMEOUT_S": "0.5",
}  # fmt: skip
PROCESSES_MAX: Final = 8
UNREADABLE_PLACES: Final = ("before its record", "after its record", "after its commit")
EXIT_CODE: Final = 9
POISON: Final = "j-0007"
HELD_MAX: Final = (
    3  # the poison job, and unknown outcomes of a slow machine; without the guard eight were held
)
ASK_PLACES: Final = ("before its commit", "after its commit", "before the next request")
REASK: Final = 1
RECIPE: Final = (  # the answers of the simulator are prose: none fits
    '{"schema":{"type":"object","properties":{"mood":{"type":"string"}},"required":["mood"]},'
    f'"ask":{{"reask":{REASK}}}}}'
)
OPTIONS: Final = RunOptions(rpm=RPM, tpm=0, max_waiting=JOBS)


def work(settings: Settings, folder: Path, recipe: str | None = None) -> None:
    """Load, run and write one file, with one submit loop and one collect loop, as one worker process does.

    With a `recipe` the answers have to fit its labels.
    """
    database = Database(settings.effective_database_url)
    loaded = load(
        database,
        JobFile(folder / "jobs.jsonl", LoadFlags(model="grok-4.3")),
        WantedRun(options=OPTIONS),
    )
    with database.write() as connection:
        connection.execute(
            text("UPDATE runs SET recipe = :recipe WHERE id = :id"), {"recipe": recipe, "id": loaded.run_id}
        )
        run_moves.start(connection, loaded.run_id, database.now_ms())
        run_completion.complete_if_done(connection, loaded.run_id, database.now_ms(), Deltas(0))
    loop, over = LoopThread(), threading.Event()
    stages = loop.run(open_stages(settings, "w1", drain=over.set))
    for stage in (stages.submitter, stages.collector):
        threading.Thread(target=_drive, args=(loop, stage.run_slice, over), daemon=True).start()
    while not over.is_set():
        with suppress(Exception):  # the reaper runs again
            stages.reaper.reap()
            with database.read() as connection:
                run = runs.find(connection, loaded.run_id)
            if run is not None and run.state is RunState.PAUSED:
                _resume(database, loaded.run_id)
            elif run is not None and run.is_over:
                over.set()
        over.wait(0.03)
    loop.run(stages.close(2.0))
    loop.stop()
    write_job_results(database, loaded.run_id, folder / "out.jsonl")
    database.close()


def _drive(loop: LoopThread, run_slice: Callable[[float], object], over: threading.Event) -> None:
    """Run time slices of a worker loop until the run has ended, as its Celery tasks would."""
    while not over.is_set():
        with suppress(Exception):
            loop.run(run_slice(5.0))  # type: ignore[arg-type]
        over.wait(0.02)


def _resume(database: Database, run_id: int) -> None:
    """Resume a paused run, as a user would."""
    with database.write() as connection:
        run_moves.start(connection, run_id, database.now_ms())


class Ladder:
    """Runs the points of one mode on one kind of database."""

    def __init__(
        self, folder: Path, redis_url: str, server_url: str | None, mode: Mode, *, at_once: bool = False
    ) -> None:
        """Make a ladder. `at_once`: two jobs, which the API answers instead of deferring them."""
        self._jobs = FEW_JOBS if at_once else JOBS
        self._faults = {"not_deferred": 1.0} if at_once else {}
        self._folder, self._redis_url, self._server_url, self._mode = folder, redis_url, server_url, mode
        self._template = folder / "template.db"
        if server_url is None:
            database = Database(f"sqlite:///{self._template}")
            migrate.upgrade(database, None)
            database.close()

    def rung(self, point: int) -> tuple[bool, list[str], str]:
        """Run one point; return whether it was reached, what is wrong afterwards, and where it was."""
        folder = self._folder / f"{self._mode}-{point}"
        folder.mkdir()
        write_jobs(folder / "jobs.jsonl", self._jobs)
        port = free_port()
        api = _fork(lambda: _simulate(port, self._faults), folder / "simulator.log")
        settings = self._settings(folder, point, port)
        try:
            _wait_for_port(port)
            wrong, where = self._run_twice(settings, folder, point)
            if not wrong:
                wrong = self._check(settings, folder, port)
        finally:
            os.kill(api, signal.SIGKILL)
            os.waitpid(api, 0)
            self._drop(point)
        if not wrong:
            shutil.rmtree(folder)
        return bool(where), wrong, where

    def _settings(self, folder: Path, point: int, port: int) -> Settings:
        env = {
            "RUNNER_HOME": str(folder / "home"), "XAI_API_KEY": KEY, "HOME": str(folder),
            "XAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "RUNNER_TEAM_RPM": "none", "RUNNER_TEAM_TPM": "none",
            "RUNNER_REDIS_URL": self._redis_url, "RUNNER_DATABASE_URL": self._database(folder, point),
            **(SHORT_TIMES if self._mode == "raise" else {}),
        }  # fmt: skip
        with Redis.from_url(self._redis_url) as redis:
            redis.flushall()
        return settings_of.load(env, folder)

    def _run_twice(self, settings: Settings, folder: Path, point: int) -> tuple[list[str], str]:
        reached = folder / "reached"

        def first() -> None:
            points = FaultPoints(self._mode, point, reached)
            points.install()
            work(settings, folder)

        pid = _fork(first, folder / "process-1.log")
        code = _wait(pid, PROCESS_S, reached if self._mode == "persist" else None)
        where = reached.read_text().strip() if reached.exists() else ""
        if code == 0 and not [*folder.glob("home/spool*/*.spool")]:
            return [], where
        if not where:
            return [f"a process without a fault ended with {code}: {folder / 'process-1.log'}"], where
        code = _wait(_fork(lambda: work(settings, folder), folder / "process-2.log"), PROCESS_S)
        if code != 0:
            return [f"the process after the fault ended with {code}: {folder / 'process-2.log'}"], where
        return [], where

    def poison(self) -> list[str]:
        """Let one job end every process that sends it; return what is wrong after the last process."""
        folder = self._folder / "poison"
        folder.mkdir()
        write_jobs(folder / "jobs.jsonl", JOBS)
        port = free_port()
        api = _fork(lambda: _simulate(port, self._faults), folder / "simulator.log")
        settings = self._settings(folder, 0, port)
        try:
            _wait_for_port(port)
            codes = []
            for n in range(PROCESSES_MAX):
                codes.append(
                    _wait(_fork(lambda: _poisoned(settings, folder), folder / f"life-{n}.log"), PROCESS_S)
                )
                if codes[-1] == 0:
                    break
            wrong = self._check(settings, folder, port)
        finally:
            os.kill(api, signal.SIGKILL)
            os.waitpid(api, 0)
        database = Database(settings.effective_database_url)
        with database.read() as connection:
            not_succeeded = connection.execute(
                text("SELECT custom_id, state FROM jobs WHERE state <> 'succeeded'")
            ).all()
        database.close()
        self._drop(0)
        if codes[-1] != 0 or len(codes) < 3:
            wrong.append(f"the processes ended with {codes}")
        held = [row.custom_id for row in not_succeeded if row.state == "held"]
        is_right = POISON in held and len(held) == len(not_succeeded) <= HELD_MAX
        return wrong + ([] if is_right else [f"not succeeded: {not_succeeded}"])

    def unreadable(self, place: str) -> list[str]:
        """Answer the first fetches with pages, end the process at one, then hand out the answers.

        Return what is wrong after the second process: every job succeeded, and nothing was bought again.
        """
        folder = self._folder / place.replace(" ", "-")
        folder.mkdir()
        write_jobs(folder / "jobs.jsonl", JOBS)
        port = free_port()
        api = _fork(lambda: _simulate(port, {}), folder / "simulator.log")
        settings = self._settings(folder, UNREADABLE_PLACES.index(place), port)
        try:
            _wait_for_port(port)
            _switch(port, {"faults": {"html200": 1.0}})
            code = _wait(_fork(lambda: _garbled(settings, folder, place), folder / "1.log"), PROCESS_S)
            wrong = [] if code == EXIT_CODE else [f"the process ended with {code}, not at the reply"]
            _switch(port, {"faults": {}})
            code = _wait(_fork(lambda: work(settings, folder), folder / "2.log"), PROCESS_S)
            wrong += [] if code == 0 else [f"the second process ended with {code}"]
            wrong += self._check(settings, folder, port)
            accepted = self._books(port)["accepted"]
        finally:
            os.kill(api, signal.SIGKILL)
            os.waitpid(api, 0)
        database = Database(settings.effective_database_url)
        with database.read() as connection:
            states = connection.execute(text("SELECT state, COUNT(*) FROM jobs GROUP BY state")).all()
            outcomes = connection.execute(text("SELECT outcome FROM attempts")).scalars().all()
        database.close()
        self._drop(UNREADABLE_PLACES.index(place))
        in_flight = outcomes.count("ambiguous")  # submits that the end of the process cut off
        sent = len(outcomes) - outcomes.count("not_sent")  # no connection: the simulator was too busy
        if accepted > JOBS + in_flight or sent != JOBS + in_flight:
            wrong.append(f"{accepted} submissions, {sent} attempts, {in_flight} of them in flight")
        return wrong + ([] if [tuple(row) for row in states] == [("succeeded", JOBS)] else [f"{states}"])

    def asks(self, place: str) -> list[str]:
        """End the process between an invalid answer and the next ask; return what is wrong after the second.

        Every job was asked once and REASK times again: no ask is made twice, and none is lost.
        """
        folder = self._folder / f"ask-{place.replace(' ', '-')}"
        folder.mkdir()
        write_jobs(folder / "jobs.jsonl", JOBS)
        port = free_port()
        api = _fork(lambda: _simulate(port, {}), folder / "simulator.log")
        settings = self._settings(folder, ASK_PLACES.index(place), port)
        try:
            _wait_for_port(port)
            code = _wait(_fork(lambda: _asking(settings, folder, place), folder / "1.log"), PROCESS_S)
            wrong = [] if code == EXIT_CODE else [f"the process ended with {code}, not at the answer"]
            code = _wait(_fork(lambda: work(settings, folder, RECIPE), folder / "2.log"), PROCESS_S)
            wrong += [] if code == 0 else [f"the second process ended with {code}"]
            books = self._books(port)
            wrong += self._check(settings, folder, port, asks=REASK)
        finally:
            os.kill(api, signal.SIGKILL)
            os.waitpid(api, 0)
        database = Database(settings.effective_database_url)
        with database.read() as connection:
            jobs = connection.execute(text("SELECT state, error_code, asks, extras FROM jobs")).all()
        database.close()
        self._drop(ASK_PLACES.index(place))
        in_flight = sum(job.extras for job in jobs)  # submits that the end of the process cut off
        most = JOBS * (1 + REASK) + in_flight
        if not JOBS * (1 + REASK) <= books["accepted"] <= most:
            wrong.append(f"{books['accepted']} submissions, {in_flight} of them in flight at the end")
        ends = {tuple(job)[:3] for job in jobs}
        return wrong + ([] if ends == {("failed", "invalid", REASK)} else [f"the jobs ended as {ends}"])

    def _books(self, port: int) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_books?jobs=1", timeout=20) as reply:
            books: dict[str, Any] = json.load(reply)
        return books

    def _check(self, settings: Settings, folder: Path, port: int, asks: int = 0) -> list[str]:
        books = self._books(port)
        errors = ledger.check(
            settings.effective_database_url, folder / "out.jsonl", folder / "jobs.jsonl", books, crashed=True
        )
        extra = books["accepted"] - self._jobs * (1 + asks)
        if extra > self._jobs:
            errors.append(f"{extra} submissions too many")
        spools = [path for path in folder.glob("home/spool*/*.spool") if path.stat().st_size]
        remaining = [*folder.glob(".out.jsonl.*"), *spools]
        return errors + [f"{path} is left" for path in remaining]

    def _database(self, folder: Path, point: int) -> str:
        if self._server_url is None:
            return f"sqlite:///{shutil.copy(self._template, folder / 'runner.db')}"
        base, _, rest = self._server_url.rpartition("/migrated")
        self._execute(f"CREATE DATABASE rung_{self._mode}_{point} TEMPLATE migrated")
        return f"{base}/rung_{self._mode}_{point}{rest}"

    def _drop(self, point: int) -> None:
        if self._server_url is not None:
            self._execute(f"DROP DATABASE rung_{self._mode}_{point} WITH (FORCE)")

    def _execute(self, command: str) -> None:
        assert self._server_url is not None
        url = self._server_url.replace("+psycopg", "").replace("/migrated", "/postgres")
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(command.encode())


def _poisoned(settings: Settings, folder: Path) -> None:
    """Work as usual, but exit at once when the poison job is sent, as after a segmentation fault."""
    submit = deferred.submit

    async def submitting(api: XAIClient, body: bytes, *ids: str | None) -> Reply:
        if f'"{POISON}"'.encode() in body:
            os._exit(9)
        return await submit(api, body, *ids)

    deferred.submit = submitting  # type: ignore[assignment]
    work(settings, folder)


def _garbled(settings: Settings, folder: Path, place: str) -> None:
    """Work as usual, but exit around the spool record or the commit of the first unreadable reply."""
    append, moved = Segment.append, job_moves.unreadable

    def appending(self: Segment, record: bytes) -> None:
        is_unreadable = record.startswith(b"u ")
        if is_unreadable and place == "before its record":
            os._exit(EXIT_CODE)
        append(self, record)
        if is_unreadable and place == "after its record":
            os._exit(EXIT_CODE)

    def acknowledging(self: Segment) -> None:
        if counted:
            os._exit(EXIT_CODE)
        acknowledge(self)

    def moving(*words: Any) -> set[int]:
        found = moved(*words)
        counted.extend(found)
        return found

    counted: list[int] = []
    acknowledge = Segment.acknowledge
    Segment.append = appending  # type: ignore[method-assign]
    if place == "after its commit":
        job_moves.unreadable = moving  # type: ignore[assignment]
        Segment.acknowledge = acknowledging  # type: ignore[method-assign]
    work(settings, folder)


def _asking(settings: Settings, folder: Path, place: str) -> None:
    """Work as usual, but exit around the commit of the first invalid answer, or before the next request."""
    write, acknowledge, submit = keep_answers.store_and_settle, Segment.acknowledge, deferred.submit
    invalid: list[int] = []

    def writing(connection: Any, rows: Any, deltas: Any) -> set[int]:
        moved = write(connection, rows, deltas)
        invalid.extend(row.settled.job_id for row in rows if row.settled and row.settled.event == "invalid")
        if invalid and place == "before its commit":
            os._exit(EXIT_CODE)
        return moved

    def acknowledging(self: Segment) -> None:
        if invalid and place == "after its commit":
            os._exit(EXIT_CODE)
        acknowledge(self)

    async def submitting(api: XAIClient, body: bytes, *ids: str | None) -> Reply:
        if b"does not fit the schema" in body and place == "before the next request":
            os._exit(EXIT_CODE)
        return await submit(api, body, *ids)

    keep_answers.store_and_settle = writing
    Segment.acknowledge = acknowledging  # type: ignore[method-assign]
    deferred.submit = submitting  # type: ignore[assignment]
    work(settings, folder, RECIPE)


def _switch(port: int, changes: dict[str, object]) -> None:
    """Change switches of the simulator."""
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/_switch"
    request = urllib.request.Request(url, json.dumps(changes).encode(), headers)
    urllib.request.urlopen(request, timeout=20).close()


def _simulate(port: int, faults: dict[str, float]) -> None:
    limits = {"rpm": None, "tpm": None, "rps": None}
    simulator.run(Options(port=port, median_s=0.03, submit_ms=5, faults=faults, **limits))  # type: ignore[arg-type]


def _fork(work: Callable[[], object], log: Path) -> int:
    """Call `work` in a forked child with its output in a file; return the child's pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not continue in the parent's code
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _wait(pid: int, within_s: float, reached: Path | None = None) -> int:
    """Wait for a child; kill it when the time is up, or PERSISTS_S after a persistent fault began."""
    deadline = time.monotonic() + within_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if reached is not None and reached.exists():
            deadline, reached = time.monotonic() + PERSISTS_S, None
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + PROCESS_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    raise AssertionError("the simulator does not listen")


def main() -> int:
    """Run the points from `--first` in steps of `--step`; print each; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("mode", choices=["exit", "raise", "persist", "poison", "unreadable", "asks"])
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--server", help="a PostgreSQL with the database `migrated`  [default: SQLite]")
    parser.add_argument("--at-once", action="store_true", help="two jobs, answered instead of deferred")
    given = parser.parse_args()
    asyncio.set_event_loop(None)
    heartbeat.HEARTBEAT_S, shared_clock.STEADY_AFTER_MS, workers.ALIVE_MS = 0.25, 0, 1_500  # type: ignore[misc]
    bad = 0
    with (
        tempfile.TemporaryDirectory(prefix="ladder", ignore_cleanup_errors=True) as name,
        valkey_server() as valkey,
    ):
        ladder = Ladder(Path(name), valkey.url, given.server, given.mode, at_once=given.at_once)
        if given.mode == "poison":
            errors = ladder.poison()
            sys.stdout.writelines(f"{error}\n" for error in errors)
            return 1 if errors else 0
        if given.mode == "unreadable":
            errors = [f"{place}: {e}" for place in UNREADABLE_PLACES for e in ladder.unreadable(place)]
            sys.stdout.writelines(f"{error}\n" for error in errors)
            return 1 if errors else 0
        if given.mode == "asks":
            errors = [f"{place}: {e}" for place in ASK_PLACES for e in ladder.asks(place)]
            sys.stdout.writelines(f"{error}\n" for error in errors)
            return 1 if errors else 0
        point = given.first
        while True:
            was_reached, wrong, where = ladder.rung(point)
            bad += bool(wrong)
            sys.stdout.write(f"{given.mode} at {point}: {where or 'no such point'}\n")
            sys.stdout.writelines(f"  {error}\n" for error in wrong)
            sys.stdout.flush()
            if not was_reached:
                break
            point += given.step
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
