"""Climb the crash ladder: one process that forks a life for each rung, and holds the ledger after each.

A life loads 20 jobs, works on them until their run is over, and writes the files. At its N-th crossing of a
door it ends, or an error is raised; then another life, undisturbed, must come to the end. The ladder is over
when a life has no point N.
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
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import json
import urllib.request

import ledger
import psycopg
from doors import Doors, Mode
from live import KEY, write_jobs
from redis import Redis
from servers import free_port
from sqlalchemy import text
from valkey_server import valkey_server

from runner import settings as settings_of
from runner.api import deferred
from runner.db import migrate, runs, workers
from runner.db.counters import Deltas
from runner.db.runs import RunOptions
from runner.db.session import Database
from runner.engine import heartbeat, run_completion, shared_clock
from runner.engine.collect import Collector
from runner.engine.reaper import reap
from runner.engine.runtime import Runtime
from runner.engine.submit import Submitter
from runner.intake.job_file import LoadFlags
from runner.intake.load import load
from runner.output.write import write_run
from runner.rules.states import RunState
from runner.simulator import process as simulator
from runner.simulator.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.api.client import XAIClient
    from runner.rules.reply import Reply
    from runner.settings import Settings

JOBS: Final = 20
RPM: Final = 30_000
LIFE_S: Final = 40.0
PERSISTS_S: Final = 0.6
LIVES_MAX: Final = 8
POISON: Final = "j-0007"
HELD_MAX: Final = 3  # its own doubts, and those of a slow machine; without a guard eight were held
OPTIONS: Final = RunOptions(rpm=RPM, tpm=0, max_waiting=JOBS)


def live(settings: Settings, folder: Path) -> None:
    """Do all that the product does with one file, as the worker of one process would."""
    database = Database(settings.effective_database_url)
    loaded = load(
        database,
        folder / "jobs.jsonl",
        name=None,
        new=False,
        flags=LoadFlags(model="grok-4.3"),
        options=OPTIONS,
    )
    with database.write() as connection:
        runs.start(connection, loaded.run_id, database.now_ms())
        run_completion.complete_if_done(connection, loaded.run_id, database.now_ms(), Deltas(0))
    runtime = Runtime(settings, "w1")
    over = threading.Event()
    for stage in (Submitter(runtime), Collector(runtime)):
        threading.Thread(target=_drive, args=(runtime, stage.run_slice, over), daemon=True).start()
    while not over.is_set():
        with suppress(Exception):  # the next beat comes
            reap(runtime)
            with database.read() as connection:
                run = runs.find(connection, loaded.run_id)
            if run is not None and run.state is RunState.PAUSED:
                _go_on(database, loaded.run_id)
            elif run is not None and run.is_over:
                over.set()
        over.wait(0.03)
    runtime.close(2.0)
    write_run(database, loaded.run_id, folder / "out.jsonl")
    database.close()


def _drive(runtime: Runtime, turn: Callable[[float], object], over: threading.Event) -> None:
    """Run time slices of a loop again and again, as the messages of Celery would."""
    while not over.is_set():
        with suppress(Exception):
            runtime.run(turn(5.0))  # type: ignore[arg-type]
        over.wait(0.02)


def _go_on(database: Database, run_id: int) -> None:
    """A person looks after a run that was paused."""
    with database.write() as connection:
        runs.start(connection, run_id, database.now_ms())


class Ladder:
    """The rungs of one form and one mode."""

    def __init__(self, folder: Path, redis_url: str, server_url: str | None, mode: Mode) -> None:
        self._folder, self._redis_url, self._server_url, self._mode = folder, redis_url, server_url, mode
        self._template = folder / "template.db"
        if server_url is None:
            database = Database(f"sqlite:///{self._template}")
            migrate.upgrade(database, None)
            database.close()

    def rung(self, point: int) -> tuple[bool, list[str], str]:
        """Climb one; return whether there was such a point, what is wrong afterwards, and where it was."""
        folder = self._folder / f"{self._mode}-{point}"
        folder.mkdir()
        write_jobs(folder / "jobs.jsonl", JOBS)
        port = free_port()
        api = _fork(lambda: _simulate(port, folder), folder / "simulator.log")
        settings = self._settings(folder, point, port)
        try:
            _wait_for_port(port)
            wrong, told = self._lives(settings, folder, point)
            if not wrong:
                wrong = self._check(settings, folder, port)
        finally:
            os.kill(api, signal.SIGKILL)
            os.waitpid(api, 0)
            self._drop(point)
        if not wrong:
            shutil.rmtree(folder)
        return bool(told), wrong, told

    def _settings(self, folder: Path, point: int, port: int) -> Settings:
        env = {
            "RUNNER_HOME": str(folder / "home"), "XAI_API_KEY": KEY, "HOME": str(folder),
            "XAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "RUNNER_LEASE_S": "2.5",
            "RUNNER_READ_TIMEOUT_S": "1.5", "RUNNER_CONNECT_TIMEOUT_S": "0.5",
            "RUNNER_REDIS_URL": self._redis_url, "RUNNER_DATABASE_URL": self._database(folder, point),
        }  # fmt: skip
        with Redis.from_url(self._redis_url) as redis:
            redis.flushall()
        return settings_of.load(env, folder)

    def _lives(self, settings: Settings, folder: Path, point: int) -> tuple[list[str], str]:
        struck = folder / "struck"

        def first() -> None:
            doors = Doors(self._mode, point, struck)
            doors.hang()
            live(settings, folder)

        life = _fork(first, folder / "life-1.log")
        code = _wait(life, LIFE_S, struck if self._mode == "persist" else None)
        told = struck.read_text().strip() if struck.exists() else ""
        if code == 0 and not [*folder.glob("home/spool*/*.spool")]:
            return [], told
        if not told:
            return [f"a life without a point ended with {code}: {folder / 'life-1.log'}"], told
        code = _wait(_fork(lambda: live(settings, folder), folder / "life-2.log"), LIFE_S)
        return ([] if code == 0 else [f"the life after it ended with {code}: {folder / 'life-2.log'}"]), told

    def poison(self) -> list[str]:
        """Let one job end every process that sends it; return what is wrong in the end."""
        folder = self._folder / "poison"
        folder.mkdir()
        write_jobs(folder / "jobs.jsonl", JOBS)
        port = free_port()
        api = _fork(lambda: _simulate(port, folder), folder / "simulator.log")
        settings = self._settings(folder, 0, port)
        try:
            _wait_for_port(port)
            ends = []
            for n in range(LIVES_MAX):
                ends.append(
                    _wait(_fork(lambda: _poisoned(settings, folder), folder / f"life-{n}.log"), LIFE_S)
                )
                if ends[-1] == 0:
                    break
            wrong = self._check(settings, folder, port)
        finally:
            os.kill(api, signal.SIGKILL)
            os.waitpid(api, 0)
        database = Database(settings.effective_database_url)
        with database.read() as connection:
            found = connection.execute(
                text("SELECT custom_id, state FROM jobs WHERE state <> 'succeeded'")
            ).all()
        database.close()
        self._drop(0)
        if ends[-1] != 0 or len(ends) < 3:
            wrong.append(f"the lives ended with {ends}")
        held = [row.custom_id for row in found if row.state == "held"]
        is_well = POISON in held and len(held) == len(found) <= HELD_MAX
        return wrong + ([] if is_well else [f"not done: {found}"])

    def _check(self, settings: Settings, folder: Path, port: int) -> list[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_books?jobs=1", timeout=20) as reply:
            books = json.load(reply)
        found = ledger.check(
            settings.effective_database_url, folder / "out.jsonl", folder / "jobs.jsonl", books, crashed=True
        )
        extra = books["accepted"] - JOBS
        if extra > JOBS:
            found.append(f"{extra} submissions too many")
        spools = [path for path in folder.glob("home/spool*/*.spool") if path.stat().st_size]
        leftovers = [*folder.glob(".out.jsonl.*"), *spools]
        return found + [f"{path} is left" for path in leftovers]

    def _database(self, folder: Path, point: int) -> str:
        if self._server_url is None:
            return f"sqlite:///{shutil.copy(self._template, folder / 'runner.db')}"
        base, _, rest = self._server_url.rpartition("/migrated")
        self._say(f"CREATE DATABASE rung_{self._mode}_{point} TEMPLATE migrated")
        return f"{base}/rung_{self._mode}_{point}{rest}"

    def _drop(self, point: int) -> None:
        if self._server_url is not None:
            self._say(f"DROP DATABASE rung_{self._mode}_{point} WITH (FORCE)")

    def _say(self, command: str) -> None:
        assert self._server_url is not None
        url = self._server_url.replace("+psycopg", "").replace("/migrated", "/postgres")
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(command.encode())


def _poisoned(settings: Settings, folder: Path) -> None:
    """Live as always, but for one job: whoever sends it ends, as by a segmentation fault."""
    submit = deferred.submit

    async def submitting(api: XAIClient, body: bytes, conv_id: str | None = None) -> Reply:
        if f'"{POISON}"'.encode() in body:
            os._exit(9)
        return await submit(api, body, conv_id)

    deferred.submit = submitting
    live(settings, folder)


def _simulate(port: int, folder: Path) -> None:
    limits = {"rpm": None, "tpm": None, "rps": None}
    simulator.run(Options(port=port, median_s=0.03, submit_ms=5, **limits))  # type: ignore[arg-type]


def _fork(work: Callable[[], object], log: Path) -> int:
    """Do work in a child of this process, its words in a file; return its pid."""
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
    except BaseException:  # noqa: BLE001 - nothing of the child may go on in its parent's code
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _wait(pid: int, within_s: float, struck: Path | None = None) -> int:
    """Wait for a child; kill it when the time is up, or soon after it was struck for good."""
    deadline = time.monotonic() + within_s
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if struck is not None and struck.exists():
            deadline, struck = time.monotonic() + PERSISTS_S, None
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _wait_for_port(port: int) -> None:
    for _ in range(1000):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.005)
    raise AssertionError("the simulator does not listen")


def main() -> int:
    """Climb from `--first` in steps of `--step`; print each rung; exit 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("mode", choices=["exit", "raise", "persist", "poison"])
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--server", help="a PostgreSQL with the database `migrated`  [default: SQLite]")
    given = parser.parse_args()
    asyncio.set_event_loop(None)
    heartbeat.HEARTBEAT_S, shared_clock.STEADY_AFTER_MS, workers.ALIVE_MS = 0.25, 0, 1_500  # type: ignore[misc]
    bad = 0
    with (
        tempfile.TemporaryDirectory(prefix="ladder", ignore_cleanup_errors=True) as name,
        valkey_server() as valkey,
    ):
        ladder = Ladder(Path(name), valkey.url, given.server, given.mode)
        if given.mode == "poison":
            findings = ladder.poison()
            sys.stdout.writelines(f"{finding}\n" for finding in findings)
            return 1 if findings else 0
        point = given.first
        while True:
            was_there, wrong, told = ladder.rung(point)
            bad += bool(wrong)
            sys.stdout.write(f"{given.mode} at {point}: {told or 'no such point'}\n")
            sys.stdout.writelines(f"  {finding}\n" for finding in wrong)
            sys.stdout.flush()
            if not was_there:
                break
            point += given.step
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
