"""A PostgreSQL database that runner cannot work with: every command names what is wrong, and the cure."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from cli_calls import run_command
from live_runner import KEY, write_jobs

from runner import settings as settings_of
from runner.cli.commands.worker import print_problem
from runner.db import migrate
from runner.limiter import refused_commits
from runner.limiter.refused_commits import CommitRefusal
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli_calls import Called
    from conftest import PostgresServer
    from valkey_server import ValkeyServer

LOAD: Final = ("load", "jobs.jsonl", "--new")
GRANT_ALL: Final = (
    "GRANT USAGE ON SCHEMA public TO app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app",
)


class Shop:
    """A database, its owner ann, and the user app, as whom the commands come."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.user_url = url.replace("//ann@", "//app@")

    def execute(self, *statements: str) -> None:
        """Execute statements as the owner."""
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as owner:
            for statement in statements:
                owner.execute(statement.encode())

    def call(self, *words: str, url: str | None = None, redis_url: str = "redis://127.0.0.1:9/0") -> Called:
        """Run a command as the user app."""
        return run_command(words, self.folder, self.env(redis_url, url), *ExitCode)

    def env(self, redis_url: str, url: str | None = None) -> dict[str, str]:
        """Return the environment of a command."""
        ours = {
            "RUNNER_HOME": str(self.folder / "home"),
            "RUNNER_DATABASE_URL": url or self.user_url,
            "RUNNER_REDIS_URL": redis_url,
            "XAI_API_KEY": KEY,
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
        return kept | ours

    def refusal(self, *words: str, code: int = 5, url: str | None = None) -> tuple[str, str]:
        """Run a command that is refused; return its sentence, without the URL, and its cure."""
        done = self.call(*words, url=url)
        shown = " ".join(done.stderr.split())
        assert done.code == code, shown
        found = re.search(r"error: the database (.*?):? postgresql\+psycopg://\S+ ?(.*?) fix: (.*)", shown)
        assert found, shown
        return found[1], found[3]

    def diagnosis(self, url: str | None = None) -> tuple[str, str]:
        """Return the same of doctor."""
        (check,) = json.loads(self.call("doctor", "--json", "database", url=url).stdout)["checks"][2:]
        assert check["state"] == "failed"
        found = re.fullmatch(r"the database (.*?):? postgresql\+psycopg://\S+(.*)", check["told"])
        assert found, check
        return found[1], check["fix"]


@pytest.fixture
def role(postgres_server: PostgresServer) -> Iterator[None]:
    """Make the user app, without any right of its own."""
    postgres_server.execute("CREATE ROLE app LOGIN")
    yield
    postgres_server.execute("DROP ROLE app")


@contextmanager
def opened(server: PostgresServer, folder: Path, template: str) -> Iterator[Shop]:
    write_jobs(folder / "jobs.jsonl", 2)
    with server.fresh(template) as url:
        shop = Shop(folder, url)
        yield shop
        shop.execute("DROP OWNED BY app")


@pytest.fixture
def empty(postgres_server: PostgresServer, role: None, tmp_path: Path) -> Iterator[Shop]:
    """Yield a database without tables."""
    with opened(postgres_server, tmp_path, "template1") as shop:
        yield shop


@pytest.fixture
def full(postgres_server: PostgresServer, role: None, tmp_path: Path) -> Iterator[Shop]:
    """Yield a database with the newest schema, and with all rights for the user."""
    with opened(postgres_server, tmp_path, "migrated") as shop:
        shop.execute(*GRANT_ALL)
        yield shop


RIGHTS: Final = "does not give its user the rights that are needed"


@pytest.mark.parametrize("revoked", ["", "REVOKE ALL ON SCHEMA public FROM public"])
def test_a_user_that_may_make_no_tables(empty: Shop, revoked: str) -> None:
    """The cure is what it names, once typed."""
    empty.execute(*filter(None, [revoked]))

    what, fix = empty.refusal("db", "upgrade")
    assert fix.startswith(
        'as the owner of the database, in psql: GRANT USAGE, CREATE ON SCHEMA "public" TO "app"'
    )
    assert what == ("has no schema that its user may make tables in" if revoked else RIGHTS)
    assert empty.refusal("list") == empty.diagnosis() == (what, fix)

    empty.execute(fix.partition("psql: ")[2].partition(" (")[0])
    assert empty.call("db", "upgrade").code == 0
    assert empty.call(*LOAD).code == 0


@pytest.mark.parametrize(
    "revoke",
    [
        "REVOKE USAGE ON SCHEMA public FROM public, app",
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM app",
        "REVOKE INSERT ON payloads FROM app",
        "REVOKE USAGE ON SEQUENCE runs_id_seq FROM app",
    ],
)
def test_a_user_without_a_right(full: Shop, revoke: str) -> None:
    """Never "no schema yet"; one cure gives all that is needed."""
    assert full.call(*LOAD).code == 0
    full.execute(revoke)

    found = full.refusal(*LOAD)
    assert found[0] == RIGHTS
    assert full.diagnosis() == found
    assert full.refusal("db", "upgrade") == found

    full.execute(*found[1].partition("psql: ")[2].replace(", CREATE", "").split("; "))
    assert full.call(*LOAD).code == 0
    assert full.call("doctor", "database").code == 0


def test_a_read_only_database(full: Shop) -> None:
    """It can be read; when it takes writes again all goes on."""
    full.execute("ALTER ROLE app SET default_transaction_read_only = on")

    found = full.refusal(*LOAD)
    assert found[0] == "is read-only"
    assert full.diagnosis() == full.refusal("db", "upgrade") == full.refusal("worker") == found
    assert full.call("list").code == 0

    full.execute("ALTER ROLE app RESET default_transaction_read_only")
    assert full.call(*LOAD).code == 0


@pytest.mark.parametrize("lost", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_a_database_restored_without_its_revision(full: Shop, lost: str) -> None:
    """Its tables are whole, so the cure is the row; of a half-restored one it is another restore."""
    full.execute(lost)

    what, fix = full.refusal("db", "upgrade", url=full.url)
    assert "has tables of runner, and no schema number in alembic_version" in full.call("list").stderr
    assert f"VALUES ('{migrate.HEAD}')" in fix
    assert full.diagnosis() == full.refusal("list") == full.refusal(*LOAD) == (what, fix)

    full.execute(*fix.partition("in psql: ")[2].split("; "))
    assert full.call("db", "upgrade", url=full.url).code == 0
    full.execute("DELETE FROM alembic_version", "DROP TABLE payloads")
    assert "restore the whole backup" in full.refusal("db", "upgrade", url=full.url)[1]


def test_a_schema_of_another_program_is_no_matter(empty: Shop) -> None:
    """It may keep its revision where the user may not look: the search path does not lead there."""
    empty.execute(
        "GRANT CREATE ON SCHEMA public TO app",
        "CREATE SCHEMA other",
        "CREATE TABLE other.alembic_version (version_num text)",
    )

    assert "has no schema yet" in empty.call("list").stderr
    assert empty.call("db", "upgrade").code == 0
    assert empty.call(*LOAD).code == 0


def test_a_database_of_another_program(empty: Shop) -> None:
    """It is not one of a newer runner, which an update would cure."""
    empty.execute(
        "CREATE TABLE alembic_version (version_num text)",
        "INSERT INTO alembic_version VALUES ('3f2a')",
        "GRANT SELECT ON alembic_version TO app",
    )

    found = empty.refusal("db", "upgrade", code=2)
    assert found[0].startswith("belongs to another program: its alembic_version has 3f2a")
    assert empty.diagnosis() == empty.refusal("list", code=2) == found
    empty.execute("CREATE SCHEMA own AUTHORIZATION app")
    assert empty.call("db", "upgrade", url=f"{empty.user_url}&schema=own").code == 0


def test_a_database_that_lacks_a_table(full: Shop) -> None:
    """It is named by doctor, by the upgrade and by the command that needs it."""
    full.execute("DROP TABLE payloads")

    found = full.refusal(*LOAD)
    assert found[0] == "lacks a part of its schema"
    assert full.diagnosis() == full.refusal("db", "upgrade") == found


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding(
    postgres_server: PostgresServer, encoding: str, tmp_path: Path
) -> None:
    """It cannot keep every text: refused before it has tables."""
    name = f"other_{encoding.lower()}"
    postgres_server.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        shop = Shop(tmp_path, postgres_server.url(name))
        found = shop.refusal("db", "upgrade", code=2, url=shop.url)
        assert found[0] == f"has the encoding {encoding}, and UTF8 is needed"
        assert shop.diagnosis(shop.url) == shop.refusal("list", code=2, url=shop.url) == found
    finally:
        postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_doctor_names_what_workers_report(full: Shop, server: ValkeyServer) -> None:
    """Their user may be another one, or it is their network: this command itself can write."""
    refusal = CommitRefusal("the database is read-only: url", "name the primary", 1)
    refused_commits.report_start(server.url, "w1@a", refusal)

    done = full.call("doctor", "--json", "workers", redis_url=server.url)
    check = json.loads(done.stdout)["checks"][-1]
    assert check["state"] == "failed"
    assert check["told"] == "1 worker cannot work: the database is read-only: url"
    assert check["fix"] == "name the primary"


def test_a_worker_that_keeps_ending_has_its_reason_printed_once(
    full: Shop, server: ValkeyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command that starts it each time; nothing while the servers are as they should be."""
    env = full.env(server.url)
    settings = settings_of.load(env, full.folder)
    assert print_problem(settings, "") == ""
    full.execute("REVOKE INSERT ON payloads FROM app")

    problem = print_problem(settings, "")
    assert print_problem(settings, problem) == problem
    assert f"error: the database {RIGHTS}" in problem
    assert capsys.readouterr().err.count(RIGHTS) == 1
