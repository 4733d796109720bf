"""Workers whose writes are refused: `status`, `list` and `watch` show why, and the cure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from run_driver import NOW_MS, new_run
from snapshots import snapshot_of_run

from runner.cli.render.runs.ending_text import availability_line
from runner.cli.render.runs.live_object import live_object
from runner.cli.render.runs.run_list import refused_commits_lines, run_object, run_table
from runner.cli.render.runs.status_lines import status_lines
from runner.db.runs import run_moves
from runner.limiter.refused_commits import CommitRefusal

if TYPE_CHECKING:
    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database

REFUSAL = CommitRefusal("the database is read-only: url", "name the primary", NOW_MS, workers=2)
FIX = "fix: name the primary; then the work continues by itself"


def refused(database: Database) -> Snapshot:
    """Return a running run of shared servers whose workers cannot work, not even their heartbeats."""
    driver = new_run(database, 3)
    with database.write() as connection:
        run_moves.start(connection, driver.run_id, NOW_MS)
    snapshot = snapshot_of_run(database, driver.run_id)
    return replace(snapshot, is_engine_alive=None, refused_commits=REFUSAL)


def test_status_and_watch_print_it_instead_of_a_missing_worker(database: Database) -> None:
    """To start another worker would not help."""
    snapshot = refused(database)

    *_, what, fix = (line.strip() for line in status_lines(snapshot, ()))
    assert what.startswith("2 workers cannot work since ")
    assert what.endswith(": the database is read-only: url")
    assert fix == FIX
    assert availability_line(snapshot) == f"{what}; {fix}"
    assert "runner worker" not in "".join(status_lines(snapshot, ()))
    assert replace(snapshot, refused_commits=None).without_worker_since_ms is not None


def test_list_prints_it_once(database: Database) -> None:
    """It holds for all runs."""
    snapshot = refused(database)

    empty, what, fix = refused_commits_lines([snapshot, snapshot])
    assert (empty, fix) == ("", FIX)
    assert "the database is read-only" in what
    assert "no worker" not in "".join(run_table([snapshot], {}))
    assert refused_commits_lines([replace(snapshot, refused_commits=None)]) == []


def test_the_json_objects_have_it(database: Database) -> None:
    """With the number of workers that report it."""
    snapshot = refused(database)

    for found in (live_object(snapshot), run_object(snapshot)):
        assert found.refused_commits is not None
        assert (found.refused_commits.workers, found.refused_commits.reason) == (2, REFUSAL.what)
        assert found.refused_commits.fix == REFUSAL.fix
        assert found.no_worker is None
