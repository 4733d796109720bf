"""The databases that tests run on: SQLite in a file, and a real PostgreSQL that the session starts.

Both are migrated once; a test gets a copy of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import canary
import psycopg
import pytest
from hosts import Fleet
from hypothesis import HealthCheck, settings
from servers import NOBODY, postgres_programs

from runner.db import migrate
from runner.db.session import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # how long an example takes says more of the machine than of the code
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, with children

KINDS: Final = ("sqlite", "postgres")
START_WITHIN_S: Final = 60.0
_QUICK: Final = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60")


class PostgresServer:
    """A throw-away server on a unix socket; it dies with the process that started it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql+psycopg://ann@/{name}?host={self._folder}"

    def begin(self) -> None:
        """Make the server's files, start it, wait until it answers."""
        if os.getuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        data, log = self._folder / "data", self._folder / "log"
        initdb = ["initdb", "-D", str(data), "-U", "ann", "--auth=trust", "--no-sync", "-E", "UTF8"]
        with log.open("wb") as out:
            subprocess.run(self._as_nobody(*initdb), check=True, stdout=out, stderr=out, cwd="/")
            settings = (*_QUICK, "listen_addresses=", f"unix_socket_directories={self._folder}")
            words = [word for setting in settings for word in ("-c", setting)]
            command = self._as_nobody("postgres", "-D", str(data), *words)
            self._process = subprocess.Popen(command, stdout=out, stderr=out, cwd="/")
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def end(self) -> None:
        """Stop the server at once."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._process.kill()
            self._process.wait()

    @contextmanager
    def fresh(self, template: str) -> Iterator[str]:
        """Make a database from a template, for a while; give its URL."""
        name = f"test_{next(self._numbers)}"
        self.say(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.say(f"DROP DATABASE {name} WITH (FORCE)")

    def say(self, command: str) -> None:
        """Run one command of the owner, outside of a transaction."""
        with psycopg.connect(host=str(self._folder), user="ann", dbname="postgres", autocommit=True) as owner:
            owner.execute(command.encode())

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            self.say("SELECT 1")
            return True
        return False

    def _as_nobody(self, program: str, *words: str) -> list[str]:
        """Put a command together that ends with us; PostgreSQL refuses to run as root."""
        who = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        return ["setpriv", *who, "--pdeathsig=QUIT", str(self._programs / program), *words]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Start the session's server, with the migrated database `migrated` to copy from."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # short: a socket's path may have 107 bytes
    server = PostgresServer(programs, folder)
    try:
        server.begin()
        server.say("CREATE DATABASE migrated")
        _migrate(server.url("migrated"))
        yield server
    finally:
        server.end()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a migrated SQLite file to copy from."""
    path = tmp_path_factory.mktemp("migrated") / "runner.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a migrated database without rows, on either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_file'), tmp_path / 'runner.db')}"
    else:
        with request.getfixturevalue("postgres_server").fresh("migrated") as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Open a migrated database without rows, on either kind."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """Open a migrated database without rows on PostgreSQL, for what only it has."""
    with postgres_server.fresh("migrated") as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture(params=KINDS)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Open a database without tables, on either kind."""
    if request.param == "sqlite":
        opened = Database(f"sqlite:///{tmp_path / 'runner.db'}")
        yield opened
        opened.close()
    else:
        with request.getfixturevalue("postgres_server").fresh("template1") as url:
            opened = Database(url)
            yield opened
            opened.close()


@pytest.fixture
def fleet(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Give a maker of one fleet on a fresh database; its arguments are the simulator's flags."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres_server.fresh("migrated"))
        yield lambda *flags: Fleet(tmp_path, url, stack, *flags)


def _migrate(url: str) -> None:
    database = Database(url)
    migrate.upgrade(database, None)
    database.close()


@pytest.fixture(scope="session", autouse=True)
def _no_file_holds_the_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After all tests of this process: search what they wrote."""
    yield
    found = [str(path) for path in canary.holders(tmp_path_factory.getbasetemp())]
    assert not found, f"these files hold the API key: {found}"
