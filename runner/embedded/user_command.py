"""Calls a command of the user, such as that of `--on-end`, in the shell and within a time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S: Final = 60.0


def call_on_end(command: str, stdin: bytes, variables: Mapping[str, str], *, to: IO[Any] | int) -> str | None:
    """Call an --on-end command; its environment is ours and `variables`, its output goes to `to`.

    Return what went wrong, else None. After TIMEOUT_S it is killed with all that it started.
    """
    added = {name: value.replace("\0", "\ufffd") for name, value in variables.items()}
    try:
        process = subprocess.Popen(  # noqa: S602 - the user's own command, in the shell that it is written for
            command,
            shell=True,
            stdin=subprocess.PIPE,
            stdout=to,
            stderr=to,
            env=os.environ | added,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"--on-end could not be started: {error}"
    try:
        with contextlib.suppress(BrokenPipeError):
            process.communicate(stdin, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"--on-end was ended after {TIMEOUT_S:g} s"
    return f"--on-end ended with exit code {process.returncode}" if process.returncode else None
