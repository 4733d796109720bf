"""Starts and ends processes that run a person's code: with an empty environment, and in its own folder.

The code has the person's rights; what it cannot do is see our environment, or outlive its use.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def start_code(
    arguments: Sequence[str], *, folder: Path, home: str, stdin: int | IO[bytes], stdout: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start Python with these arguments, in a session of its own; what it writes to stderr goes nowhere.

    It has PATH, LANG and a temporary HOME, and nothing else of the environment. Its own folder is not on the
    path of modules.
    """
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": home,
        "PYTHONHASHSEED": "0",  # of the interpreter alone: the process removes it before it imports
    }
    return subprocess.Popen(  # noqa: S603 - our own program; it runs what the user has named
        [sys.executable, "-P", "-s", "-B", *arguments],
        cwd=folder,
        env=environment,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end_code(child: subprocess.Popen[bytes]) -> int:
    """End a process and what it has started; return its exit status."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    return child.wait()


def module_path(folder: Path) -> list[str]:
    """Return where modules are looked for: in the folder first, then where Python looks."""
    return [str(folder), *filter(os.path.isabs, sys.path)]
