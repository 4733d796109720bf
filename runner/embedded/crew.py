"""The children of the engine: one Valkey and some workers, started, started again, ended."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from runner.embedded import processes, valkey
from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.embedded.home import Home

DEATHS_MAX: Final = 5
DEATHS_WITHIN_S: Final = 30.0
VALKEY_STOPS_S: Final = 3.0
_LOG: Final = 1  # children write where the engine writes
log = logging.getLogger("runner.crew")


class Crew:
    """Holds the children. `worker_command` gets `--node wN`, and the first one `--beat`."""

    def __init__(self, home: Home, token: str, worker_command: Sequence[str]) -> None:
        self._home = home
        self._command = worker_command
        marks = {
            **processes.MEMORY,
            "RUNNER_HOME": str(home.path),
            processes.PARENT: str(os.getpid()),
            processes.TOKEN: token,
        }
        self._env = {**os.environ, **marks}
        self._keyless_env = {**marks, "PATH": os.environ.get("PATH", os.defpath)}
        self._deaths: deque[float] = deque(maxlen=DEATHS_MAX)
        self._begun = False
        self.workers: list[subprocess.Popen[bytes]] = []
        self.valkey: subprocess.Popen[bytes] | None = None

    @property
    def valkey_pid(self) -> int:
        """Return the pid of the server, 0 for none."""
        return self.valkey.pid if self.valkey else 0

    def start_valkey(self) -> None:
        """Start the server without waiting for it."""
        self.valkey = valkey.start(self._home, self._keyless_env, log_file=_LOG)

    def wait_for_valkey(self) -> None:
        """Wait until the server answers; start it empty if it cannot read its data. Raises Unreachable."""
        if self.valkey and valkey.wait_ready(self._home, self.valkey):
            return
        if self.valkey:
            processes.dispose(self.valkey)
        valkey.set_data_aside(self._home)
        self.start_valkey()
        if not (self.valkey and valkey.wait_ready(self._home, self.valkey)):
            raise Unreachable("the private Valkey does not start", fix=f"see {self._home.valkey_log}")

    def add_worker(self) -> None:
        """Start one more worker; before `begin` it waits, with its modules loaded."""
        self.workers.append(self._spawn(len(self.workers)))

    def begin(self) -> None:
        """Let the workers work, those that wait and those to come."""
        self._begun = True
        for worker in self.workers:
            processes.release(worker)

    def valkey_died(self) -> bool:
        """Say whether the server has ended. Raises Unreachable when children die too often."""
        if self.valkey is None or self.valkey.poll() is None:
            return False
        self._note_death("valkey", self.valkey)
        return True

    def dead_workers(self) -> list[int]:
        """Return the places of workers that have ended. Raises Unreachable when children die too often."""
        dead = [place for place, worker in enumerate(self.workers) if worker.poll() is not None]
        for place in dead:
            self._note_death(f"w{place + 1}", self.workers[place])
        return dead

    @staticmethod
    def kill_workers(workers: Sequence[subprocess.Popen[bytes]], pids: Sequence[int]) -> None:
        """Kill workers that are stuck; they are found dead, and replaced."""
        for worker in workers:
            if worker.pid in pids:
                log.error("child.silent pid=%d", worker.pid)
                worker.kill()

    def replace_worker(self, place: int) -> None:
        """Start a worker in the place of a dead one."""
        self.workers[place] = self._spawn(place)

    def end(self, grace_s: float) -> None:
        """Let the workers drain, kill them when the time is up, then stop the server."""
        deadline = time.monotonic() + grace_s
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(max(deadline - time.monotonic(), 0))
            processes.dispose(worker)
        if self.valkey is not None:
            valkey.stop(self._home)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.valkey.wait(VALKEY_STOPS_S)
            processes.dispose(self.valkey)

    def _spawn(self, place: int) -> subprocess.Popen[bytes]:
        beat = ["--beat"] if place == 0 else []
        worker = processes.spawn([*self._command, "--node", f"w{place + 1}", *beat], self._env, log=_LOG)
        if self._begun:
            processes.release(worker)
        return worker

    def _note_death(self, name: str, child: subprocess.Popen[bytes]) -> None:
        processes.dispose(child)
        log.warning("child.died name=%s pid=%d status=%s", name, child.pid, child.returncode)
        now = time.monotonic()
        self._deaths.append(now)
        if len(self._deaths) == DEATHS_MAX and now - self._deaths[0] < DEATHS_WITHIN_S:
            raise Unreachable(f"{name} died again and again: {DEATHS_MAX} deaths in {DEATHS_WITHIN_S:g} s")
