"""The checks of `runner doctor` on this machine; nothing is changed."""

from __future__ import annotations

import os
import platform
import resource
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Final

from runner import __version__
from runner.cli.doctor.diagnosis import Diagnosis, failed, ok, warning
from runner.rules.advice import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.settings import Settings

_FREE_LOW_BYTES: Final = 1 << 30
_FILES_PER_REQUEST: Final = 4  # a connection and a spool segment, and both again for a second worker
_OTHER_FILES: Final = 128
_SIMULATOR: Final = ("127.0.0.1", 8787)


def python() -> Diagnosis:
    """Return the versions of runner and Python."""
    return ok("python", f"runner {__version__}, Python {platform.python_version()}, {platform.machine()}")


def state_folder(settings: Settings) -> Iterator[Diagnosis]:
    """Check whether the state folder can be written to and has free space."""
    from runner.embedded.state_folder import StateFolder
    from runner.engine.storing import disk_space

    home = settings.home
    folder = StateFolder(home).check()
    free = disk_space.free_bytes(folder)
    lack = disk_space.shortage(home, free)
    what = f"{home}{'' if folder == home else ' (made when needed)'}, {free / 2**30:,.1f} GiB free"
    if lack is not None:
        yield failed("state folder", Advice(lack, "make room, or name another one with RUNNER_HOME"))
    elif free < _FREE_LOW_BYTES:
        yield warning("state folder", Advice(what, "make room before a large run"))
    else:
        yield ok("state folder", what)


def open_files(settings: Settings) -> Iterator[Diagnosis]:
    """Check whether a process may hold as many files and connections open as it needs."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES_PER_REQUEST * settings.concurrency + _OTHER_FILES
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        what = f"a process may open {allowed:,} files, and {needed:,} may be needed"
        yield warning("open files", Advice(what, f"ulimit -n {max(1024, needed)}"))
    else:
        yield ok("open files", "no limit" if allowed == resource.RLIM_INFINITY else f"up to {allowed:,}")


def simulator_port() -> Iterator[Diagnosis]:
    """Check whether the default port of `runner simulate` is free."""
    host, port = _SIMULATOR
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(_SIMULATOR)
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            what = f"simulate cannot listen on {host}:{port}: {reason}"
            yield warning("port", Advice(what, "runner simulate --port 0 takes a free one"))
            return
    yield ok("port", f"{port} is free for runner simulate")
