"""Measures commands from outside: wall time, and the peak memory of all processes."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from live_runner import ROLES, wait_until

if TYPE_CHECKING:
    from types import TracebackType

    from live_runner import Command, LiveRunner, Role

CHECK_S: Final = 0.05
LIST_PIDS_S: Final = 0.5
WITHIN_S: Final = 300.0


def timed(home: LiveRunner, *words: str) -> float:
    """Run `runner WORDS` to its end; return the seconds."""
    began = time.perf_counter()
    done(home.start(*words))
    return time.perf_counter() - began


def done(command: Command, *codes: int) -> str:
    """Wait for a command to end with one of these codes, by default 0; return its output."""
    pidfd = os.pidfd_open(command.pid)  # `wait` with a timeout would check only every 50 ms
    select.select([pidfd], [], [], WITHIN_S)
    os.close(pidfd)
    assert command.process.poll() in (codes or (0,)), command.output
    return command.output


def timed_python(program: str) -> float:
    """Run `python -c PROGRAM` to its end; return the seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def rest(home: LiveRunner) -> None:
    """Wait until the engine of the last command has ended, so that it does not slow the next one."""
    wait_until(home.has_no_processes, "the engine has ended")


class Memory:
    """Records the peak memory of a state folder's processes by role; a context manager.

    The kernel keeps each process's peak (VmHWM); it is read again and again until the process ends.
    """

    def __init__(self, home: LiveRunner) -> None:
        self._home = home
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.peak_bytes: dict[Role, int] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def highest_bytes(self) -> int:
        """Return the greatest peak of all processes."""
        return max(self.peak_bytes.values(), default=0)

    def told(self) -> str:
        """Return the peaks by role as text, in MB."""
        return ", ".join(f"{role} {peak / 1e6:.0f}" for role, peak in sorted(self.peak_bytes.items())) + " MB"

    def _watch(self) -> None:
        found: list[int] = []
        next_list_s = 0.0
        while not self._stop.wait(CHECK_S):
            if time.monotonic() >= next_list_s:
                found = self._home.pids()
                next_list_s = time.monotonic() + LIST_PIDS_S
            for pid in found:
                with contextlib.suppress(OSError, StopIteration, IndexError):
                    role, peak_bytes = _peak(Path("/proc") / str(pid))
                    self.peak_bytes[role] = max(peak_bytes, self.peak_bytes.get(role, 0))


def _peak(process: Path) -> tuple[Role, int]:
    """Return a process's role and its peak memory in bytes."""
    words = (process / "cmdline").read_bytes().decode(errors="replace")
    role = next(role for part, role in ROLES.items() if part in words)
    status = (process / "status").read_text()
    return role, int(status.partition("VmHWM:")[2].split()[0]) * 1024
