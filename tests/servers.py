"""PostgreSQL and Redis servers on free ports, for tests that stop, restart and overload them.

Each is a child that ends with this process. PostgreSQL refuses to run as root; then it runs as user `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
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
    from collections.abc import Iterator
    from types import TracebackType

    from runner.db.session import Database

NOBODY: Final = 65534
WITHIN_S: Final = 120.0
LOOPBACK: Final = "127.0.0.1"
PORTS: Final = range(12_000, 32_000)
_claims: Final[list[socket.socket]] = []


def free_port() -> int:
    """Return a free port of the loopback address that stays free for the caller while this process lives.

    No connection takes it meanwhile: it is below the ports that the kernel gives to those. No other test
    takes it: a socket whose name has its number is held.
    """
    while True:
        port = secrets.choice(PORTS)
        claim = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError), socket.socket() as probe:
            claim.bind(f"\0port {port} of a test")
            probe.bind((LOOPBACK, port))
            _claims.append(claim)
            return port
        claim.close()


@contextlib.contextmanager
def taken_port(port: int) -> Iterator[None]:
    """Listen on a port of the loopback address in the block; wait while another process listens there."""
    deadline = time.monotonic() + 4 * WITHIN_S
    while (listener := _listener(port)) is None:
        assert time.monotonic() < deadline, f"port {port} does not get free"
        time.sleep(0.05)
    with listener:
        yield


def _listener(port: int) -> socket.socket | None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()
    except OSError:
        listener.close()
        return None
    return listener


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, else None."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def redis_program() -> str | None:
    """Return the path of redis-server, else of valkey-server, else None."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


class Postgres:
    """A PostgreSQL server with one database, `fleet`; it keeps its data over `stop` and `start`."""

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
        self.execute("CREATE DATABASE fleet", database="postgres")
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
        """Start the server and wait until it answers; after a crash its recovery comes first."""
        settings = (
            "fsync=off", "full_page_writes=off", "shared_buffers=32MB", f"port={self.port}",
            f"listen_addresses={','.join(self._listen)}", "unix_socket_directories=", *self.settings,
        )  # fmt: skip
        words = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, *words), stdout=log, stderr=log, cwd="/"
            )
        deadline = time.monotonic() + WITHIN_S
        while not self._answers():
            is_starting = self._process.poll() is None and time.monotonic() < deadline
            assert is_starting, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def stop(self, how: str = "fast") -> None:
        """Stop the server `fast` (ends its sessions) or `immediate` (as in a crash)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
            self._process.wait(WITHIN_S)
            self._process = None

    def connect(self, database: str = "fleet") -> psycopg.Connection[Any]:
        """Return a connection as the database's owner."""
        return psycopg.connect(
            host=LOOPBACK, port=self.port, user="ann", password="secret-of-ann", dbname=database,
            autocommit=True, connect_timeout=round(WITHIN_S),
        )  # fmt: skip

    def execute(self, command: str, database: str = "fleet") -> list[tuple[Any, ...]]:
        """Execute one statement as the owner; return its rows."""
        with self.connect(database) as owner:
            cursor = owner.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.execute("SELECT 1", database="postgres")
            return True
        return False

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _command(self, program: str, *words: str) -> list[str]:
        return [*_unprivileged("QUIT"), str(self._programs / program), *words]

    def _as_nobody(self, program: str, *words: str) -> None:
        with (self.folder / "log").open("ab") as log:
            subprocess.run(self._command(program, *words), check=True, stdout=log, stderr=log, cwd="/")


def pgbouncer_program() -> str | None:
    """Return the path of pgbouncer, else None; a user's PATH often lacks its folder."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


class PgBouncer:
    """A pooler before a PostgreSQL server, in a pool mode; `settings` are further lines of its file."""

    def __init__(self, postgres: Postgres, mode: str, *settings: str) -> None:
        program = pgbouncer_program()
        assert program is not None, "PgBouncer is not installed; make services"
        self._program, self._postgres = program, postgres
        self._lines = (f"pool_mode = {mode}", *settings)
        self.port = free_port()
        self.url = postgres.url.replace(f":{postgres.port}/", f":{self.port}/")
        self.folder = Path(tempfile.mkdtemp(prefix="pb", dir="/tmp"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        users, config = self.folder / "users", self.folder / "pgbouncer.ini"
        users.write_text('"ann" "secret-of-ann"\n')
        server = f"host={LOOPBACK} port={self._postgres.port}"
        config.write_text(
            f"[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = {LOOPBACK}\nlisten_port = {self.port}\n"
            f"unix_socket_dir =\nauth_type = plain\nauth_file = {users}\n" + "\n".join(self._lines) + "\n"
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_unprivileged("TERM"), self._program, str(config)], stdout=log, stderr=log, cwd="/"
            )
        deadline = time.monotonic() + WITHIN_S
        while not self._answers():
            is_starting = self._process.poll() is None and time.monotonic() < deadline
            assert is_starting, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(WITHIN_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), WITHIN_S):
            return True
        return False


def _unprivileged(signal_name: str) -> list[str]:
    """Return the start of a command line that ends with this process and does not run as root."""
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *user, f"--pdeathsig={signal_name}"]


class RedisServer:
    """A Redis server; with `keeps` its data survive `kill` and `start`."""

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
        """Return the server's pid."""
        assert self._process is not None
        return self._process.pid

    def client(self) -> Redis:
        """Return a client of this server."""
        return Redis.from_url(self.url)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        words = ["--port", str(self.port), "--bind", *self._listen, "--dir", str(self.folder), "--save", ""]
        words += ["--appendonly", "yes" if self._keeps else "no", "--protected-mode", "no", *self._flags]
        command = ["setpriv", "--pdeathsig=KILL", self._program, *words]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + WITHIN_S
        while not self._answers():
            is_starting = self._process.poll() is None and time.monotonic() < deadline
            assert is_starting, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill the server."""
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


def has_waiting_statement(database: Database) -> bool:
    """Return whether a statement in a PostgreSQL database waits for a lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.read() as connection:
        return connection.exec_driver_sql(query).first() is not None
