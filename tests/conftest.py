"""Fixtures: databases for tests, SQLite in a file and a PostgreSQL server that the session starts.

Each is migrated once; every test gets its own copy.
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
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings

# Clients of databases are imported where a fixture needs them: the pure tests need none.
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from hosts import Fleet
    from runtimes import OpenedWorker
    from stage_driver import Opened, StageDriver
    from valkey_server import ValkeyServer

    from runner.db.session import Database

BUSY: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # examples take any time
settings.register_profile("quick", BUSY, max_examples=15)  # others at each run
settings.register_profile("thorough", BUSY, max_examples=1_000)  # `make soak`
settings.load_profile("quick")
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a background job of a shell inherits SIGINT ignored

KINDS: Final = ("sqlite", "postgres")
WITHIN_S: Final = 120.0
_FAST_SETTINGS: Final = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60")
LAST_UPDATES: Final = pytest.StashKey[Any]()
LONGEST: Final = {"ladder", "faults", "fleet"}  # folders whose tests begin first


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups; pytest-randomly comes before all
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a fixture of their module in one process; put the longest tests first."""
    for item in items:
        if isinstance(item, pytest.Function):
            found = item._fixtureinfo.name2fixturedefs.values()
            if any(fixture.scope == "module" for named in found for fixture in named):
                item.add_marker(pytest.mark.xdist_group(str(item.path)))
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)


class PostgresServer:
    """A temporary PostgreSQL on a unix socket; it ends with the process that started it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        """Return the URL of the database with this name."""
        return f"postgresql+psycopg://ann@/{name}?host={self._folder}"

    def begin(self) -> None:
        """Create the data folder, start the server and wait until it answers."""
        from servers import NOBODY

        if os.getuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        data, log = self._folder / "data", self._folder / "log"
        initdb = ["initdb", "-D", str(data), "-U", "ann", "--auth=trust", "--no-sync", "-E", "UTF8"]
        with log.open("wb") as log_file:
            subprocess.run(self._as_nobody(*initdb), check=True, stdout=log_file, stderr=log_file, cwd="/")
            settings = (*_FAST_SETTINGS, "listen_addresses=", f"unix_socket_directories={self._folder}")
            words = [word for setting in settings for word in ("-c", setting)]
            command = self._as_nobody("postgres", "-D", str(data), *words)
            self._process = subprocess.Popen(command, stdout=log_file, stderr=log_file, cwd="/")
        deadline = time.monotonic() + WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def end(self) -> None:
        """Stop the server, and end its sessions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(WITHIN_S)

    @contextmanager
    def fresh(self, template: str) -> Iterator[str]:
        """Create a database from a template; yield its URL, and drop it at the end."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, command: str) -> None:
        """Execute one statement as the owner, outside of a transaction.

        Repeated while a session still uses the database, as one that is ending: the server waits 5 s for it.
        """
        import psycopg

        deadline = time.monotonic() + WITHIN_S
        with psycopg.connect(host=str(self._folder), user="ann", dbname="postgres", autocommit=True) as owner:
            while True:
                try:
                    owner.execute(command.encode())
                except psycopg.errors.ObjectInUse:
                    if time.monotonic() > deadline:
                        raise
                else:
                    return

    def _answers(self) -> bool:
        import psycopg

        with suppress(psycopg.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def _as_nobody(self, program: str, *words: str) -> list[str]:
        """Return a command line that ends with this process, and does not run as root."""
        from servers import NOBODY

        user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        return ["setpriv", *user, "--pdeathsig=QUIT", str(self._programs / program), *words]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Start the session's server, with the template database `migrated`."""
    from servers import postgres_programs

    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(
        tempfile.mkdtemp(prefix="pg", dir="/tmp")
    )  # short: the path of a socket has at most 107 bytes
    server = PostgresServer(programs, folder)
    try:
        server.begin()
        server.execute("CREATE DATABASE migrated")
        _migrate(server.url("migrated"))
        yield server
    finally:
        server.end()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "runner.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a migrated database without rows, once for each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_file'), tmp_path / 'runner.db')}"
    else:
        with request.getfixturevalue("postgres_server").fresh("migrated") as url:
            yield url


@pytest.fixture
def database(database_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """Yield a migrated database without rows, once for each kind."""
    from pasteable_sql import last_updates

    from runner.db.session import Database

    opened = Database(database_url)
    with last_updates(opened.engine) as request.node.stash[LAST_UPDATES]:
        yield opened
    opened.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test the last UPDATEs of jobs, to be pasted into psql or sqlite3."""
    report = yield
    if report.failed and (last := item.stash.get(LAST_UPDATES, None)):
        report.sections.append(("last UPDATEs of jobs", "\n\n".join(last)))
    return report


@pytest.fixture
def worker(database: Database, database_url: str, tmp_path: Path) -> Iterator[OpenedWorker]:
    """Open a worker's stages on the test's database; there is no API and no Redis."""
    from runtimes import opened_worker

    with opened_worker(database, database_url, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Yield one Valkey for all tests of a module."""
    from valkey_server import valkey_server

    with valkey_server() as running:
        yield running


@pytest.fixture
def opened(database: Database, database_url: str, tmp_path: Path, server: ValkeyServer) -> Opened:
    """Return a function that opens the stages of a worker with a simulator of its own, on an empty Valkey."""
    from redis import Redis
    from stage_driver import stage_driver

    with Redis.from_url(server.url) as client:
        client.flushall()

    def opening(**options: Any) -> AbstractContextManager[StageDriver]:
        return stage_driver(database, database_url, tmp_path, server, **options)

    return opening


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[Database]:
    """Yield a migrated database without rows on PostgreSQL alone."""
    from runner.db.session import Database

    with postgres_server.fresh("migrated") as url:
        opened = Database(url)
        yield opened
        opened.close()


@pytest.fixture(params=KINDS)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield a database without tables, once for each kind."""
    from runner.db.session import Database

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
    """Yield a function that starts a fleet on a new database; its arguments are the simulator's flags."""
    from hosts import Fleet

    with ExitStack() as stack:
        url = stack.enter_context(postgres_server.fresh("migrated"))
        yield lambda *flags: Fleet(tmp_path, url, stack, *flags)


def _migrate(url: str) -> None:
    from runner.db import migrate
    from runner.db.session import Database

    database = Database(url)
    migrate.upgrade(database, None)
    database.close()


@pytest.fixture(scope="session", autouse=True)
def _no_file_holds_the_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """After all tests of this process, search the files that they wrote for the API key."""
    import canary

    yield
    found = [str(path) for path in canary.files_with_secret(tmp_path_factory.getbasetemp())]
    assert not found, f"these files hold the API key: {found}"
