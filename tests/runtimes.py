"""A runtime on a test's database, and errors of that database that do not pass by themselves."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner import settings
from runner.engine.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runner.db.session import Database


@contextmanager
def opened_station(
    database: Database, database_url: str, folder: Path, base_url: str = "http://127.0.0.1:1/v1"
) -> Iterator[Runtime]:
    """Open a real runtime; no Redis is there, and none is needed. Nothing is at the default `base_url`."""
    env = {
        "RUNNER_HOME": str(folder / "home"),
        "RUNNER_DATABASE_URL": database_url,
        "RUNNER_REDIS_URL": f"unix://{folder}/none.sock",
        "XAI_API_KEY": "xai-some-key",
        "XAI_BASE_URL": base_url,
    }
    if database.is_sqlite:  # the state folder's own
        (folder / "home").mkdir()
        (folder / "home" / "runner.db").symlink_to(folder / "runner.db")
        del env["RUNNER_DATABASE_URL"], env["RUNNER_REDIS_URL"]
    runtime = Runtime(settings.load(env, folder), "w1")
    try:
        yield runtime
    finally:
        runtime.close(1.0)
        runtime.loop.close()


def refusal(name: str, write: str, when: str, *, is_sqlite: bool) -> tuple[list[str], list[str]]:
    """Return the SQL that makes the database refuse a kind of write, and the SQL that ends that.

    `write` is like `UPDATE ON runs`, `when` a condition on the new row.
    """
    table = write.rsplit(maxsplit=1)[-1]
    if is_sqlite:
        refuse = f"SELECT RAISE(ABORT, 'refused by {name}')"
        begin = f"CREATE TRIGGER {name} BEFORE {write} WHEN {when} BEGIN {refuse}; END"
        return [begin], [f"DROP TRIGGER {name}"]
    refuse = f"BEGIN RAISE EXCEPTION 'refused by {name}'; END"
    return [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${refuse}$$",
        f"CREATE TRIGGER {name} BEFORE {write} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()",
    ], [f"DROP TRIGGER {name} ON {table}", f"DROP FUNCTION {name}"]


@contextmanager
def refused(database: Database, write: str, when: str) -> Iterator[None]:
    """Make the database refuse a kind of write for a while."""
    begin, end = refusal("refusal", write, when, is_sqlite=database.is_sqlite)
    _do(database, begin)
    try:
        yield
    finally:
        _do(database, end)


def _do(database: Database, statements: list[str]) -> None:
    with database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
