"""Child processes that end with their parent, and the killing of orphans of a dead engine.

Two ways, since each has a gap: the kernel's parent-death signal (Linux; it follows the parent's *thread*,
so spawn from the main thread only) and a pipe that the parent keeps open (any system; a thread reads it).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARENT_ENV: Final = "RUNNER_ENGINE_PID"
TOKEN_ENV: Final = "RUNNER_ENGINE_TOKEN"  # noqa: S105 - the name of a variable
# Not `-m runner.worker`: Celery finds tasks by module name, and would define them a second time.
# -P: modules in the user's current folder are not imported. gc: as in gc_pause.py.
_WORKER_MAIN: Final = (
    "import gc; gc.disable(); from runner.worker import main; gc.freeze(); gc.enable(); main()"
)
WORKER_COMMAND: Final = (sys.executable, "-P", "-c", _WORKER_MAIN)
ORPHAN_KILL_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: not between fork and exec


def spawn(command: Sequence[str], env: Mapping[str, str], *, log: int) -> subprocess.Popen[bytes]:
    """Start a child process that ends with this one; `log` is the file descriptor of its output.

    Its stdin is a pipe. Call this from the main thread of a process without other threads. A Python child
    calls `die_with_parent`.
    """
    return subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        env=env,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C must reach the command only; the engine ends its children in order
        preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - there are no threads here
    )


def release(child: subprocess.Popen[bytes]) -> None:
    """Let a child that waits in `die_with_parent` go on."""
    with contextlib.suppress(BrokenPipeError):  # it has died; the next check finds that
        os.write(child.stdin.fileno(), b"\n") if child.stdin else None


def die_with_parent() -> None:
    """Make this child of the engine end with it, then wait until the engine calls `release`.

    The first call in a child's main. Does nothing in a worker that no engine started.
    """
    parent_pid = os.environ.get(PARENT_ENV)
    if parent_pid is None:
        return
    _die_with(int(parent_pid))
    if not os.read(0, 1):
        os._exit(1)
    threading.Thread(target=_exit_at_end_of_pipe, name="lifeline", daemon=True).start()


def dispose(child: subprocess.Popen[bytes]) -> None:
    """Kill a child if it still runs, wait for its end, and close its stdin pipe."""
    child.kill()
    child.wait()
    if child.stdin:
        child.stdin.close()


def kill_orphans(token: str) -> int:
    """Kill every process that a dead engine started; return how many, when they and their locks are gone.

    They have the engine's token in their environment. Works only where /proc shows environments. The pidfd is
    opened before the environment is read, so that a reused pid is never killed.
    """
    variable = f"{TOKEN_ENV}={token}".encode()
    killed = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone in the meantime
            pidfd = os.pidfd_open(int(folder.name))
            try:
                if variable in (folder / "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                    select.select([pidfd], [], [], ORPHAN_KILL_S)
                    killed += 1
            finally:
                os.close(pidfd)
    return killed


def _die_with(parent_pid: int) -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before prctl was called
        os._exit(1)


def _exit_at_end_of_pipe() -> None:
    while os.read(0, 64):
        pass
    os._exit(1)
