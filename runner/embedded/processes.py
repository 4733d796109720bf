"""Children that cannot outlive their parent, and the end of those that did.

Two cords, since each has a hole: the kernel's parent-death signal (Linux; it follows the parent's *thread*,
so spawn from the main thread alone) and a pipe that the parent holds open (any system; needs a reader).
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

PARENT: Final = "RUNNER_ENGINE_PID"
TOKEN: Final = "RUNNER_ENGINE_TOKEN"  # noqa: S105 - the name of a variable
# Not `-m runner.worker`: Celery finds the tasks by module name, and would make them a second time.
# -P: no module of the user's folder is ours. For the collector see importing.py.
_BEGIN: Final = "import gc; gc.disable(); from runner.worker import main; gc.freeze(); gc.enable(); main()"
WORKER: Final = (sys.executable, "-P", "-c", _BEGIN)
# glibc learns to keep what large blocks took; a worker that has sent some images would stay large.
MEMORY: Final = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
LEFTOVER_S: Final = 5.0
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: not between fork and exec


def spawn(command: Sequence[str], env: Mapping[str, str], *, log: int) -> subprocess.Popen[bytes]:
    """Start a child that dies with this process; its output goes to `log`, its stdin is the pipe.

    Call it from the main thread of a process without other threads. A Python child calls `die_with_parent`.
    """
    return subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        env=env,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for the command; the engine ends its children in order
        preexec_fn=partial(_tie_to, os.getpid()),  # noqa: PLW1509 - there are no threads here
    )


def release(child: subprocess.Popen[bytes]) -> None:
    """Let a child go on that waits in `die_with_parent`."""
    with contextlib.suppress(BrokenPipeError):  # it is dead already, and will be found so
        os.write(child.stdin.fileno(), b"\n") if child.stdin else None


def die_with_parent() -> None:
    """In a child of the engine: tie this process to it, then wait for its word to begin.

    First call of a child's main. Without an engine above (a worker started by hand) it does nothing.
    """
    parent = os.environ.get(PARENT)
    if parent is None:
        return
    _tie_to(int(parent))
    if not os.read(0, 1):
        os._exit(1)
    threading.Thread(target=_exit_at_end_of_pipe, name="lifeline", daemon=True).start()


def dispose(child: subprocess.Popen[bytes]) -> None:
    """Kill a child if it still runs, and let go of all that it held."""
    child.kill()
    child.wait()
    if child.stdin:
        child.stdin.close()


def kill_leftovers(token: str) -> int:
    """Kill every process that a dead engine started, known by the token in its environment; count them.

    Only where /proc shows environments. A handle is taken before the look, so that no reused pid is hit.
    Returns when they are gone, with all the locks they held.
    """
    mark = f"{TOKEN}={token}".encode()
    killed = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or gone in the meantime
            handle = os.pidfd_open(int(folder.name))
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [], LEFTOVER_S)
                    killed += 1
            finally:
                os.close(handle)
    return killed


def _tie_to(parent: int) -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _exit_at_end_of_pipe() -> None:
    while os.read(0, 64):
        pass
    os._exit(1)
