"""Child processes of the engine: one Valkey and the workers. Starts, replaces and ends them."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from runner import celery_variables
from runner.embedded import processes, valkey
from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.embedded.state_folder import StateFolder

DEATHS_MAX: Final = 5
DEATHS_WITHIN_S: Final = 30.0
VALKEY_STOPS_S: Final = 3.0
_LOG_FD: Final = 1  # children write to the engine's stdout
log = logging.getLogger("runner.children")


class ChildProcesses:
    """Owns the child processes. `worker_command` gets `--node wN`, the first one `--beat` too."""

    def __init__(self, home: StateFolder, token: str, worker_command: Sequence[str]) -> None:
        self._home = home
        self._command = worker_command
        identifying = {
            "RUNNER_HOME": str(home.path),
            processes.PARENT_ENV: str(os.getpid()),
            processes.TOKEN_ENV: token,
        }
        self._env = {**celery_variables.without(os.environ), **identifying}
        self._keyless_env = {**identifying, "PATH": os.environ.get("PATH", os.defpath)}
        self._deaths: deque[float] = deque(maxlen=DEATHS_MAX)
        self._are_released = False
        self.workers: list[subprocess.Popen[bytes]] = []
        self.valkey: subprocess.Popen[bytes] | None = None

    @property
    def valkey_pid(self) -> int:
        """Return the pid of Valkey, 0 before it was started."""
        return self.valkey.pid if self.valkey else 0

    def start_valkey(self) -> None:
        """Start Valkey without waiting for it."""
        self.valkey = valkey.start(self._home, self._keyless_env, log_file=_LOG_FD)

    def wait_for_valkey(self) -> None:
        """Wait until Valkey answers; if it does not, start it once more with empty data.

        Raises Unreachable when it does not answer then either.
        """
        if self.valkey and valkey.wait_ready(self._home, self.valkey):
            return
        if self.valkey:
            processes.dispose(self.valkey)
        valkey.set_data_aside(self._home)
        self.start_valkey()
        if not (self.valkey and valkey.wait_ready(self._home, self.valkey)):
            raise Unreachable("the private Valkey does not start", fix=f"see {self._home.valkey_log}")

    def add_worker(self) -> None:
        """Start one more worker; until `release_workers` it waits, with its modules loaded."""
        self.workers.append(self._spawn(len(self.workers)))

    def release_workers(self) -> None:
        """Let the waiting workers start work, and later ones at once."""
        self._are_released = True
        for worker in self.workers:
            processes.release(worker)

    def valkey_died(self) -> bool:
        """Return whether Valkey has ended. Raises Unreachable when child processes die too often."""
        if self.valkey is None or self.valkey.poll() is None:
            return False
        self._record_death("valkey", self.valkey)
        return True

    def dead_workers(self) -> list[int]:
        """Return the indexes of workers that have ended. Raises Unreachable when children die too often."""
        dead = [index for index, worker in enumerate(self.workers) if worker.poll() is not None]
        for index in dead:
            self._record_death(f"w{index + 1}", self.workers[index])
        return dead

    @staticmethod
    def kill_workers(workers: Sequence[subprocess.Popen[bytes]], pids: Sequence[int]) -> None:
        """Kill the workers with these pids; the next check finds them dead and replaces them."""
        for worker in workers:
            if worker.pid in pids:
                log.error("child.stalled pid=%d", worker.pid)
                worker.kill()

    def replace_worker(self, index: int) -> None:
        """Start a worker in place of a dead one, with the same index and node name."""
        self.workers[index] = self._spawn(index)

    def end(self, grace_s: float) -> None:
        """Ask the workers to end, kill them after `grace_s` seconds, then stop Valkey."""
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

    def _spawn(self, index: int) -> subprocess.Popen[bytes]:
        beat = ["--beat"] if index == 0 else []
        worker = processes.spawn([*self._command, "--node", f"w{index + 1}", *beat], self._env, log=_LOG_FD)
        if self._are_released:
            processes.release(worker)
        return worker

    def _record_death(self, name: str, child: subprocess.Popen[bytes]) -> None:
        processes.dispose(child)
        log.warning("child.died name=%s pid=%d status=%s", name, child.pid, child.returncode)
        now = time.monotonic()
        self._deaths.append(now)
        if len(self._deaths) == DEATHS_MAX and now - self._deaths[0] < DEATHS_WITHIN_S:
            raise Unreachable(f"{name} died again and again: {DEATHS_MAX} deaths in {DEATHS_WITHIN_S:g} s")
