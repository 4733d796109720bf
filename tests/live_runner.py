"""Starts real processes for end-to-end tests: a simulator, and commands with their state folder.

Processes are found by RUNNER_HOME in their environment and killed by pid. All waits are for a condition, with
a deadline. All output goes to files: a background process with an open pipe would block its reader.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

KEY: Final = "xai-canary-5b1e0c7f93a24d68"
WITHIN_S: Final = 240.0  # long: it matters only when a test fails
STEP_S: Final = 0.01
STEP_MAX_S: Final = 0.05  # a look at all processes costs as much as some of them
IN_FLIGHT: Final = 16  # of two workers; one has 8
RUN: Final = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "none", "--tpm", "none")
NO_LIMITS: Final = ("--rpm", "none", "--tpm", "none")
NO_TEAM_LIMITS: Final = {"RUNNER_TEAM_RPM": "none", "RUNNER_TEAM_TPM": "none"}  # nor those of the models

Role = Literal["command", "engine", "worker", "valkey"]
ROLES: Final[Mapping[str, Role]] = {  # a part of the command line and its role; the first match counts
    "valkey-server": "valkey",
    "redis-server": "valkey",
    "runner.embedded.engine": "engine",
    "runner.worker": "worker",
    "runner": "command",
}


def wait_until(condition: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
    """Wait until a condition holds; fail with `what` after `within_s` seconds."""
    deadline, step_s = time.monotonic() + within_s, STEP_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(step_s)
        step_s = min(step_s * 1.1, STEP_MAX_S)


def has_ended(pid: int) -> bool:
    """Return whether a killed process holds no lock any more: it is gone, or a zombie without threads.

    Its environment is gone before its locks are.
    """
    folder = Path(f"/proc/{pid}")
    try:
        is_zombie = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return is_zombie and len([*(folder / "task").iterdir()]) <= 1
    except OSError:
        return True


def write_jobs(path: Path, count: int, **fields: object) -> Path:
    """Write a job file in the short form; each body has the job's id as `user`: the books name it by that."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            name = f"j-{number:04d}"
            line = {"id": name, "model": "grok-4.3", "prompt": f"Tell of {number}.", "user": name, **fields}
            file.write(json.dumps(line) + "\n")
    return path


class Simulator:
    """`python -m runner.simulator` as a process on a free port; a context manager."""

    def __init__(
        self, folder: Path, *flags: str, seed: int = 0, env: Mapping[str, str] | None = None
    ) -> None:
        self._env = {**os.environ, **(env or {})}
        self._output_file = folder / "simulator.out"
        self._command = [sys.executable, "-m", "runner.simulator", "--port", "0", "--seed", str(seed), *flags]

    def __enter__(self) -> Self:
        with self._output_file.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.url = ""
        wait_until(self._is_ready, "the simulator prints its address")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Return the simulator's pid."""
        return self._process.pid

    def books(self) -> dict[str, Any]:
        """Return the simulator's books, with an entry for each job."""
        with urllib.request.urlopen(self._address("/_books?jobs=1"), timeout=WITHIN_S) as reply:
            books: dict[str, Any] = json.load(reply)
        return books

    def switch(self, **switches: object) -> None:
        """Change switches of the simulator, such as `faults`, while it runs."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._address("/_switch"), json.dumps(switches).encode(), headers)
        urllib.request.urlopen(request, timeout=WITHIN_S).close()

    def _address(self, path: str) -> str:
        return self.url.removesuffix("/v1") + path

    def _is_ready(self) -> bool:
        output = self._output_file.read_text()
        assert self._process.poll() is None, output
        found = re.search(r"http://(?:127\.0\.0\.1|0\.0\.0\.0)(:\d+/v1)", output)
        self.url = f"http://127.0.0.1{found[1]}" if found else ""
        return found is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A started `runner …` process and the files with its stdout and stderr."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        """Return the command's pid."""
        return self.process.pid

    def wait(self, within_s: float = WITHIN_S) -> int:
        """Wait until the command has ended; return its exit code."""
        try:
            wait_until(lambda: self.process.poll() is not None, "the command ends", within_s)
        except AssertionError as error:
            error.add_note(self.output)
            raise
        return self.process.returncode

    @property
    def output(self) -> str:
        """Return the command's stdout, then its stderr."""
        return self.out.read_text() + self.err.read_text()


class LiveRunner:
    """Starts commands with one state folder; a context manager that kills all of its processes at the end.

    The limits of models are lifted, unless `env` sets RUNNER_TEAM_RPM and RUNNER_TEAM_TPM ("": not set).
    """

    def __init__(self, folder: Path, simulator: Simulator, **env: str) -> None:
        self.folder = folder
        self.path = folder / "home"
        self.database = self.path / "runner.db"
        outer = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))
        }
        own = {"RUNNER_HOME": str(self.path), "XAI_API_KEY": KEY, "XAI_BASE_URL": simulator.url}
        self.env = outer | own | NO_TEAM_LIMITS | env
        self._started: list[Command] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wait_until(lambda: not self.kill(), "everything is gone")
        for command in self._started:  # an ending process has no environment, so `kill` does not find it
            command.process.wait(WITHIN_S)

    def start(self, *words: str) -> Command:
        """Start `runner WORDS`, by default RUN."""
        return self.start_command([sys.executable, "-m", "runner", *(words or RUN)])

    def start_command(self, words: Sequence[str]) -> Command:
        """Start a command line that executes `runner …`."""
        number = len(self._started)
        out, err = self.folder / f"command-{number}.out", self.folder / f"command-{number}.err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                list(words),
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                start_new_session=True,
            )
        self._started.append(Command(process=process, out=out, err=err))
        return self._started[-1]

    def pids(self, *roles: Role) -> list[int]:
        """Return the pids of the state folder's processes with these roles; all roles when none is named."""
        variable = f"RUNNER_HOME={self.path}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended, or is another user's
                if variable not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                words = (folder / "cmdline").read_bytes().decode(errors="replace")
                assert KEY not in words, f"the key is among a process's arguments: {words!r}"
                role = next((role for part, role in ROLES.items() if part in words), None)
                if role is not None and (not roles or role in roles):
                    found.append(int(folder.name))
        return found

    def kill(self, *roles: Role) -> int:
        """kill -9 all processes of these roles; return how many.

        When no role is named: all, and what these have started meanwhile.
        """
        found = self.pids(*roles)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: all(map(has_ended, found)), f"{roles or 'all'} are gone")
        for command in self._started:
            command.process.poll()
        return len(found) + (self.kill() if found and not roles else 0)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, read only; [] while database or table do not exist."""
        if not self.database.exists():
            return []
        with contextlib.closing(
            sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=WITHIN_S)
        ) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error) or "unable to open" in str(error):
                    return []
                raise

    def change(self, sql: str) -> None:
        """Execute a statement in the database. No process of this state folder may run."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=WITHIN_S)) as connection, connection:
            connection.execute(sql)

    def count(self, sql: str) -> int:
        """Return the one number that a query selects; 0 when there is none."""
        rows = self.query(sql)
        return int(rows[0][0] or 0) if rows else 0

    def accepted(self) -> int:
        """Return the number of accepted submissions by the counters of the database."""
        return self.count("SELECT SUM(n) FROM run_counters WHERE kind = 'attempts' AND key = 'accepted'")

    def hold_above(self, accepted: int, simulator: Simulator) -> None:
        """Let the simulator hold submissions once the database counts that many accepted, or IN_FLIGHT more.

        So no run ends by itself before the switch `hold_after` is null. What was accepted and the database
        does not know of, as after a kill, comes on top.
        """
        unknown = simulator.books()["accepted"] - self.accepted()
        simulator.switch(hold_after=accepted + unknown + IN_FLIGHT)

    def wait_for_accepted(self, accepted: int, command: Command) -> None:
        """Wait until the database counts that many accepted submissions; the command must not end before.

        A test that needs the run unfinished then calls `hold_above` before.
        """

        def is_reached() -> bool:
            has_ended = command.process.poll() is not None
            is_there = self.accepted() >= accepted
            assert is_there or not has_ended, f"the command has ended before:\n{command.output}"
            return is_there

        wait_until(is_reached, f"{accepted} submissions are accepted")

    def ledger_errors(self, simulator: Simulator, *, crashed: bool = False) -> list[str]:
        """Return what the ledger finds wrong in database, output files and the simulator's books."""
        return ledger.check(
            f"sqlite:///{self.database}",
            self.folder / "out.jsonl",
            self.folder / "jobs.jsonl",
            simulator.books(),
            crashed=crashed,
        )

    def has_no_processes(self) -> bool:
        """Return whether no process of this state folder runs."""
        return not self.pids()
