"""A command imports only what it needs: imports are most of the time of a short command."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import LiveRunner, Simulator, wait_until, write_jobs

from runner.cli.main import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ORM: Final = "sqlalchemy.orm"
HEAVY: Final = frozenset(
    {
        ORM,
        "aiohttp",
        "alembic",
        "celery",
        "jinja2",
        "jsonschema",
        "jsonschema_rs",
        "kombu",
        "psycopg",
        "pyarrow",
        "redis",
        "rich",
    }
)
SERVERS: Final = frozenset({"simulate", "worker"})
PROGRAM: Final = """
import sys
from runner.cli.main import call
code = call(sys.argv[1:])
print("imported:", *sorted(sys.modules))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRunner]:
    """Return a state folder with one finished run and no engine."""
    folder = tmp_path_factory.mktemp("lazy")
    with (
        Simulator(folder, "--instant", "--rpm", "none", "--tpm", "none") as simulator,
        LiveRunner(folder, simulator) as home,
    ):
        write_jobs(folder / "jobs.jsonl", 2)
        command = home.start()
        assert command.wait() == 0, command.output
        wait_until(home.has_no_processes, "the engine has ended")
        yield home


def imported(home: LiveRunner, words: Sequence[str]) -> set[str]:
    """Run a command in its own process; return the modules that are loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env=home.env,
        cwd=home.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    printed, separator, names = done.stdout.rpartition("imported: ")
    assert separator, printed + done.stderr
    return set(names.split())


@pytest.mark.parametrize("words", [["--help"], [], ["--version"], ["no-such-command"]], ids=str)
def test_the_front_page_imports_nothing_but_click(home: LiveRunner, words: Sequence[str]) -> None:
    """No command, and nothing that commands need."""
    assert not imported(home, words) & {*HEAVY, "asyncio", "msgspec", "orjson", "sqlalchemy"}


@pytest.mark.parametrize("command", [row.name for row in ROWS if row.name not in SERVERS])
def test_the_page_of_a_command_imports_little(home: LiveRunner, command: str) -> None:
    """Only what its own module needs, and of that nothing heavy."""
    assert not imported(home, [command, "--help"]) & HEAVY


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "--json"],
        ["list"],
        ["jobs", "1"],
        ["events", "1"],
        ["workers"],
        ["summary", "1"],
        ["show", "1", "j-0000"],
        ["costs"],
    ],
    ids=" ".join,
)
def test_a_command_that_looks_imports_the_database_only(home: LiveRunner, words: Sequence[str]) -> None:
    """And not the ORM: reading is plain SQL."""
    assert not imported(home, words) & HEAVY


def test_checking_and_writing_import_no_more(home: LiveRunner) -> None:
    """They read files and rows; a job file without JSON schemas needs no jsonschema."""
    assert not imported(home, ["check", "jobs.jsonl"]) & HEAVY
    assert not imported(home, ["write", "1", "-o", "again.jsonl"]) & HEAVY
