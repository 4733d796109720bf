"""Commands timed from outside: the seconds from their start to their end, and the memory of all processes."""

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

from live import ROLES, wait_until

if TYPE_CHECKING:
    from types import TracebackType

    from live import Command, Home, Role

LOOK_S: Final = 0.05
LOOK_FOR_NEW_S: Final = 0.5
WITHIN_S: Final = 300.0


def timed(home: Home, *words: str) -> float:
    """Run `runner WORDS` to its end; return the seconds."""
    began = time.perf_counter()
    done(home.start(*words))
    return time.perf_counter() - began


def done(command: Command, *codes: int) -> str:
    """Wait for a command to end well; return what it said."""
    end = os.pidfd_open(command.pid)  # `wait` with a time to wait would look every 50 ms only
    select.select([end], [], [], WITHIN_S)
    os.close(end)
    assert command.process.poll() in (codes or (0,)), command.said
    return command.said


def timed_python(program: str) -> float:
    """Run `python -c PROGRAM` to its end; return the seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def rest(home: Home) -> None:
    """Wait until the engine of the last command has ended: the next one is not to compete with it."""
    wait_until(home.is_quiet, "the engine has ended")


class Memory:
    """Notes the peak memory of a home's processes by what they are; use it with `with`.

    The kernel keeps each process's own peak; here they are only asked for it until they end.
    """

    def __init__(self, home: Home) -> None:
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
        """Return the most that any of them ever held."""
        return max(self.peak_bytes.values(), default=0)

    def told(self) -> str:
        """Tell the peaks, process by process."""
        return ", ".join(f"{role} {peak / 1e6:.0f}" for role, peak in sorted(self.peak_bytes.items())) + " MB"

    def _watch(self) -> None:
        found: list[int] = []
        next_look_s = 0.0
        while not self._stop.wait(LOOK_S):
            if time.monotonic() >= next_look_s:
                found = self._home.pids()
                next_look_s = time.monotonic() + LOOK_FOR_NEW_S
            for pid in found:
                with contextlib.suppress(OSError, StopIteration, IndexError):
                    role, peak_bytes = _peak(Path("/proc") / str(pid))
                    self.peak_bytes[role] = max(peak_bytes, self.peak_bytes.get(role, 0))


def _peak(process: Path) -> tuple[Role, int]:
    """Return what a process is and the most memory it ever held."""
    words = (process / "cmdline").read_bytes().decode(errors="replace")
    role = next(role for part, role in ROLES.items() if part in words)
    status = (process / "status").read_text()
    return role, int(status.partition("VmHWM:")[2].split()[0]) * 1024
