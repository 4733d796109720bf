"""Real servers for tests that break them: PostgreSQL and Redis on ports of their own, restarted at will.

Each is a child that dies with this process. PostgreSQL refuses root, so it runs as nobody then.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

if TYPE_CHECKING:
    from types import TracebackType

NOBODY: Final = 65534
WITHIN_S: Final = 60.0
LOOPBACK: Final = "127.0.0.1"


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])


def postgres_programs() -> Path | None:
    """Find the folder of PostgreSQL's programs."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def redis_program() -> str | None:
    """Find Debian's Redis, or a Valkey."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


class Postgres:
    """A server of one's own with one database, `fleet`; its data outlive `stop`."""

    def __init__(self, *settings: str, listen: tuple[str, ...] = ()) -> None:
        programs = postgres_programs()
        assert programs is not None, "PostgreSQL is not installed; make services"
        self._programs, self.settings, self._listen = programs, settings, (LOOPBACK, *listen)
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
        self.port = free_port()
        self.url = f"postgresql+psycopg://ann:secret-of-ann@{LOOPBACK}:{self.port}/fleet"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        password = self.folder / "password"
        password.write_text("secret-of-ann")
        password.chmod(0o644)
        self._as_nobody(
            "initdb", "-D", self._data, "-U", "ann", "--auth=scram-sha-256", f"--pwfile={password}",
            "--no-sync", "-E", "UTF8",
        )  # fmt: skip
        with (self.folder / "data" / "pg_hba.conf").open("a") as hba:
            hba.write("host all ann 0.0.0.0/0 scram-sha-256\n")
        self.start()
        self.say("CREATE DATABASE fleet", database="postgres")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Return the pid of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers; shortly after a crash it first puts itself in order."""
        settings = (
            "fsync=off", "full_page_writes=off", "shared_buffers=32MB", f"port={self.port}",
            f"listen_addresses={','.join(self._listen)}", "unix_socket_directories=", *self.settings,
        )  # fmt: skip
        words = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, *words), stdout=out, stderr=out, cwd="/"
            )
        deadline = time.monotonic() + WITHIN_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def stop(self, how: str = "fast") -> None:
        """Stop it `fast` (sessions are cut) or `immediate` (as a crash would)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
            self._process.wait(20)
            self._process = None

    def connect(self, database: str = "fleet") -> psycopg.Connection[Any]:
        """Connect as its owner."""
        return psycopg.connect(
            host=LOOPBACK, port=self.port, user="ann", password="secret-of-ann", dbname=database,
            autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def say(self, command: str, database: str = "fleet") -> list[tuple[Any, ...]]:
        """Run one command; return its rows."""
        with self.connect(database) as owner:
            cursor = owner.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.say("SELECT 1", database="postgres")
            return True
        return False

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _command(self, program: str, *words: str) -> list[str]:
        who = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        return ["setpriv", *who, "--pdeathsig=QUIT", str(self._programs / program), *words]

    def _as_nobody(self, program: str, *words: str) -> None:
        with (self.folder / "log").open("ab") as out:
            subprocess.run(self._command(program, *words), check=True, stdout=out, stderr=out, cwd="/")


class RedisServer:
    """A Redis of one's own; with `keeps` its data outlive `stop`."""

    def __init__(self, *flags: str, keeps: bool = False, listen: tuple[str, ...] = ()) -> None:
        program = redis_program()
        assert program is not None, "Redis is not installed; make services"
        self._program, self._flags, self._keeps, self._listen = program, flags, keeps, (LOOPBACK, *listen)
        self.folder = Path(tempfile.mkdtemp(prefix="rd", dir="/tmp"))
        self.port = free_port()
        self.url = f"redis://{LOOPBACK}:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Return its pid."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> Redis:
        """Connect to it."""
        return Redis.from_url(self.url)

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ["--port", str(self.port), "--bind", *self._listen, "--dir", str(self.folder), "--save", ""]
        words += ["--appendonly", "yes" if self._keeps else "no", "--protected-mode", "no", *self._flags]
        command = ["setpriv", "--pdeathsig=KILL", self._program, *words]
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=out, cwd=self.folder)
        deadline = time.monotonic() + WITHIN_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError), self.client() as client:
            try:
                return bool(client.ping())
            except AuthenticationError:
                return True
        return False
