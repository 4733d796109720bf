"""The real thing, for tests: a simulator, a state folder and commands, each a process of its own.

Processes are found by RUNNER_HOME in their environment and killed by pid. Everything waits for facts, with
a deadline. All output goes to files: a child that holds a pipe would hold its reader too.
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
WITHIN_S: Final = 80.0
STEP_S: Final = 0.01
RUN: Final = ("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "none", "--tpm", "none")
NO_LIMITS: Final = ("--rpm", "none", "--tpm", "none")

Role = Literal["command", "engine", "worker", "valkey"]
ROLES: Final[Mapping[str, Role]] = {  # what tells in a command line who it is; the first that fits
    "valkey-server": "valkey",
    "redis-server": "valkey",
    "runner.embedded.engine": "engine",
    "runner.worker": "worker",
    "runner": "command",
}


def wait_until(fact: Callable[[], object], what: str, within_s: float = WITHIN_S) -> None:
    """Wait until a fact holds; fail with `what` when it does not in time."""
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(STEP_S)


def write_jobs(path: Path, count: int, **fields: object) -> Path:
    """Write a job file in the short form; every body names its job as `user`, so that the books know it."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            name = f"j-{number:04d}"
            line = {"id": name, "model": "grok-4.3", "prompt": f"Tell of {number}.", "user": name, **fields}
            file.write(json.dumps(line) + "\n")
    return path


class Simulator:
    """`python -m runner.simulator` on a free port; use it with `with`."""

    def __init__(
        self, folder: Path, *flags: str, seed: int = 0, env: Mapping[str, str] | None = None
    ) -> None:
        self._env = {**os.environ, **(env or {})}
        self._out = folder / "simulator.out"
        self._command = [sys.executable, "-m", "runner.simulator", "--port", "0", "--seed", str(seed), *flags]

    def __enter__(self) -> Self:
        with self._out.open("wb") as out:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.url = ""
        wait_until(self._is_ready, "the simulator says where it listens")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Return its pid."""
        return self._process.pid

    def books(self) -> dict[str, Any]:
        """Return its ledger, job by job."""
        with urllib.request.urlopen(self._at("/_books?jobs=1"), timeout=20) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def switch(self, **switches: object) -> None:
        """Change its switches."""
        headers = {"Content-Type": "application/json"}
        wish = urllib.request.Request(self._at("/_switch"), json.dumps(switches).encode(), headers)
        urllib.request.urlopen(wish, timeout=20).close()

    def _at(self, path: str) -> str:
        return self.url.removesuffix("/v1") + path

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._out.read_text()
        found = re.search(r"http://(?:127\.0\.0\.1|0\.0\.0\.0)(:\d+/v1)", self._out.read_text())
        self.url = f"http://127.0.0.1{found[1]}" if found else ""
        return found is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A started `runner …` and the files of its words."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        """Return its pid."""
        return self.process.pid

    def ended(self, within_s: float = WITHIN_S) -> int:
        """Wait for its end; return the exit code."""
        wait_until(
            lambda: self.process.poll() is not None, f"the command ends; it said:\n{self.said}", within_s
        )
        return self.process.returncode

    @property
    def said(self) -> str:
        """Return all that it said."""
        return self.out.read_text() + self.err.read_text()


class Home:
    """A state folder with everything that runs for it; leaving its `with` block kills all of that."""

    def __init__(self, folder: Path, simulator: Simulator, **env: str) -> None:
        self.folder = folder
        self.path = folder / "home"
        self.database = self.path / "runner.db"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
        ours = {"RUNNER_HOME": str(self.path), "XAI_API_KEY": KEY, "XAI_BASE_URL": simulator.url}
        self.env = kept | ours | env
        self._started: list[Command] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wait_until(lambda: not self.kill(), "everything is gone")
        for command in self._started:  # one that is just ending shows no environment any more
            command.process.wait(WITHIN_S)

    def start(self, *words: str) -> Command:
        """Start `runner WORDS`; by default RUN."""
        return self.start_by([sys.executable, "-m", "runner", *(words or RUN)])

    def start_by(self, words: Sequence[str]) -> Command:
        """Start a command that becomes `runner …`."""
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
        """Return the processes of these roles; of all roles when none is named."""
        mark = f"RUNNER_HOME={self.path}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has gone, or is another user's
                if mark not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                words = (folder / "cmdline").read_bytes().decode(errors="replace")
                assert KEY not in words, f"the key is among a process's arguments: {words!r}"
                role = next((role for part, role in ROLES.items() if part in words), None)
                if role is not None and (not roles or role in roles):
                    found.append(int(folder.name))
        return found

    def kill(self, *roles: Role) -> int:
        """kill -9 every process of these roles (all: of every role); return how many there were."""
        found = self.pids(*roles)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not set(found) & set(self.pids()), f"{roles or 'all'} are gone")
        for command in self._started:
            command.process.poll()
        return len(found)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database, reading only; nothing while it does not exist yet."""
        if not self.database.exists():
            return []
        with contextlib.closing(
            sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=20)
        ) as base:
            try:
                return base.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error) or "unable to open" in str(error):
                    return []
                raise

    def change(self, sql: str) -> None:
        """Change the database behind everybody's back; nobody works for this folder meanwhile."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=20)) as base, base:
            base.execute(sql)

    def count(self, sql: str) -> int:
        """Ask for one number; 0 when there is none."""
        rows = self.query(sql)
        return int(rows[0][0] or 0) if rows else 0

    def accepted(self) -> int:
        """Return how many submissions the database knows to be accepted."""
        return self.count("SELECT SUM(n) FROM run_counters WHERE kind = 'attempts' AND key = 'accepted'")

    def reach(self, accepted: int, command: Command) -> None:
        """Wait until so many submissions are known to be accepted, while the command is at work."""

        def has_come() -> bool:
            assert command.process.poll() is None, f"the command has ended before:\n{command.said}"
            return self.accepted() >= accepted

        wait_until(has_come, f"{accepted} submissions are accepted")

    def findings(self, simulator: Simulator, *, crashed: bool = False) -> list[str]:
        """Hold the ledger against what this folder and the simulator say."""
        return ledger.check(
            f"sqlite:///{self.database}",
            self.folder / "out.jsonl",
            self.folder / "jobs.jsonl",
            simulator.books(),
            crashed=crashed,
        )

    def is_quiet(self) -> bool:
        """Say whether no process runs for this folder."""
        return not self.pids()
