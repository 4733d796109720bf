"""A failing test prints its guarded UPDATEs, and what is printed can be pasted into psql or sqlite3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pasteable_sql import last_updates, pasteable
from run_driver import new_run, requeue_row

from runner.db import bulk
from runner.db.moves import job_moves
from runner.db.moves.guarded_update import REFUSED
from runner.rules.states import JobState

if TYPE_CHECKING:
    from sqlalchemy import Row

    from runner.db.session import Database

TESTS: Final = Path(__file__).parent
FAILING: Final = """
from run_driver import new_run, requeue_row
from runner.db.moves import job_moves
from runner.rules.states import JobState

def test_that_fails(database):
    driver = new_run(database, 1)
    (lease,) = driver.lease()
    driver.apply(job_moves.refused, requeue_row(lease, JobState.FAILED))
    assert driver.state(lease.job_id) is JobState.FAILED
"""


def test_a_printed_update_does_what_the_update_did(database: Database) -> None:
    """Without parameters: they are written in."""
    driver = new_run(database, 2)
    moved, pasted = driver.lease(2)
    driver.send(moved, pasted)
    with last_updates(database.engine) as printed:
        driver.apply(job_moves.refused, requeue_row(moved, JobState.FAILED))
    (update,) = printed

    with database.write() as connection:
        connection.connection.cursor().execute(update.replace(str(moved.job_id), str(pasted.job_id)))

    assert changed(driver.row(pasted.job_id)) == changed(driver.row(moved.job_id))
    assert driver.state(pasted.job_id) is JobState.FAILED


def test_any_text_can_be_printed(database: Database) -> None:
    """Quotes, placeholders and backslashes are no SQL."""
    driver = new_run(database, 1)
    (lease,) = driver.lease()
    name = "it's 100 % of \\ and ? or %s"
    columns = [("id", "BIGINT"), ("custom_id", "TEXT"), ("code", "TEXT")]
    change = "UPDATE jobs SET custom_id = v.custom_id, error_code = v.code FROM v WHERE jobs.id = v.id"
    with database.write() as connection:
        sql = bulk.with_table(connection, columns, [(lease.job_id, name, None)], change)

        connection.connection.cursor().execute(pasteable(connection.dialect.name, *sql))

    assert (driver.row(lease.job_id).custom_id, driver.row(lease.job_id).error_code) == (name, None)


def test_a_failing_test_prints_its_last_updates(tmp_path: Path) -> None:
    """With values, below the failed assertion."""
    (tmp_path / "test_it.py").write_text(FAILING)
    settings = str(TESTS.parent / "pyproject.toml")
    pytest_here = [sys.executable, "-m", "pytest", f"--rootdir={tmp_path}", "-c", settings]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}

    ended = subprocess.run(
        [*pytest_here, "-p", "conftest", "-p", "no:randomly", "-k", "sqlite", "test_it.py"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1, ended.stdout + ended.stderr
    _, _, printed = ended.stdout.partition("last UPDATEs of jobs")
    assert "WITH v(id, gen, target," in printed
    assert "some-cause" in printed
    assert "?" not in printed.partition("=====")[0]


def changed(job: Row[Any]) -> list[Any]:
    """Return the columns of a job that the UPDATE changes."""
    columns = [name for name, _ in REFUSED.statement.columns if name not in {"id", "gen", "target"}]
    return [getattr(job, name) for name in (*columns, "state", "lease_owner", "lease_until_ms", "attempt")]
