"""Runs: created, loaded, moved between their states, finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_driver import NOW_MS, first_job, new_run, received, requeue_row, settled
from sqlalchemy import text

from runner.db.events import events
from runner.db.moves import job_moves, result_moves
from runner.db.runs import run_end, run_moves, runs, stored_options
from runner.db.runs.run_row import RunOptions
from runner.rules.event_kinds import EventKind
from runner.rules.states import Event, JobState, PauseReason, RunState

if TYPE_CHECKING:
    from run_driver import RunDriver
    from sqlalchemy import Connection

    from runner.db.session import Database


def begin(connection: Connection, identity: str = "same", name: str = "a", path: str = "/a") -> int:
    return runs.begin(
        connection,
        identity=identity,
        name=name,
        input_path=path,
        input_sha256="sha",
        options=RunOptions(rpm=5, limit=3),
        now_ms=NOW_MS,
    )


def state(driver: RunDriver) -> RunState:
    with driver.database.read() as connection:
        found = runs.find(connection, driver.run_id)
    assert found is not None
    return found.state


def finish(driver: RunDriver) -> bool:
    with driver.database.write() as connection:
        return run_end.finish_if_done(connection, driver.run_id, NOW_MS + 9)


def end_next(driver: RunDriver) -> None:
    """Bring the next pending job to succeeded."""
    driver.bring(JobState.SUCCEEDED)


def test_a_run_is_loading_until_it_is_loaded(database: Database) -> None:
    """Its options are stored at the start; it becomes `ready` once."""
    with database.write() as connection:
        run_id = begin(connection)
        before = runs.find(connection, run_id)
        run_moves.set_ready(connection, run_id, 12)
        run_moves.set_ready(connection, run_id, 13)
        after = runs.find(connection, run_id)

    assert before is not None
    assert after is not None
    assert (before.state, before.total) == (RunState.LOADING, 0)
    assert (after.state, after.total, after.repetition) == (RunState.READY, 12, 0)
    assert after.options == RunOptions(rpm=5, limit=3)
    assert (after.created_at_ms, after.started_at_ms) == (NOW_MS, None)


def test_repetitions_are_numbered_within_an_identity(database: Database) -> None:
    """`--new` loads the same file again; the newest run is found by identity, name and path."""
    with database.write() as connection:
        first, second = begin(connection), begin(connection)
        other = begin(connection, "other", "b", "/b")
        found = [runs.find(connection, run_id) for run_id in (first, second, other)]

        assert [run.repetition for run in found if run] == [0, 1, 0]
        assert [run.id for run in runs.all_runs(connection)] == [other, second, first]
        for newest in (
            runs.find_by_identity(connection, "same"),
            runs.find_by_name(connection, "a"),
            runs.find_by_path(connection, "/a"),
        ):
            assert newest is not None
            assert newest.id == second
        assert runs.find_by_identity(connection, "none") is None
        assert runs.find(connection, 999) is None


def test_a_run_moves_between_its_states_with_an_event_each(database: Database) -> None:
    """Pause, start, wait, end of a wait: only from their source states."""
    driver = new_run(database, 1)
    with database.write() as connection:
        assert not run_moves.start(connection, driver.run_id, NOW_MS), "it runs already"
        assert not run_moves.end_wait(connection, driver.run_id, NOW_MS)
        assert run_moves.wait(connection, driver.run_id, "no database\0", NOW_MS) is True
        assert not run_moves.wait(connection, driver.run_id, "again", NOW_MS)
        assert run_moves.end_wait(connection, driver.run_id, NOW_MS)
        assert run_moves.pause(connection, driver.run_id, PauseReason.KEY, "refused", NOW_MS)
        assert not run_moves.pause(connection, driver.run_id, PauseReason.USER, "second", NOW_MS)
        found = runs.find(connection, driver.run_id)
        assert found is not None
        assert (found.state, found.pause_reason, found.pause_text) == (RunState.PAUSED, "key", "refused")
        assert not run_moves.wait(connection, driver.run_id, "paused runs do not wait", NOW_MS)
        assert run_moves.start(connection, driver.run_id, NOW_MS + 5)
        found = runs.find(connection, driver.run_id)
        assert found is not None
        assert (found.pause_reason, found.pause_text, found.started_at_ms) == (None, None, NOW_MS)
        recorded = [(event.kind, event.cause) for event in events.of_run(connection, driver.run_id)]
        assert [run.id for run in runs.in_states(connection, [RunState.RUNNING])] == [driver.run_id]
        assert runs.in_states(connection, [RunState.PAUSED]) == []

    kinds = ["started", "waiting", "running", "paused", "started"]
    assert [kind for kind, _ in recorded] == kinds
    assert recorded[1][1] == "no database\ufffd"
    assert recorded[3][1] == "key: refused"


def test_a_run_finishes_when_nothing_moves_by_itself(database: Database) -> None:
    """Succeeded, failed and held jobs let it finish, open ones do not; it finishes once."""
    driver = new_run(database, 3)
    end_next(driver)
    driver.bring(JobState.HELD)
    last = driver.bring(JobState.COLLECTING)

    assert not finish(driver)
    driver.apply(result_moves.stored, received(last.job_id))
    assert not finish(driver), "a stored result is not settled yet"
    driver.apply(result_moves.settled, settled(last.job_id, 1, Event.UNUSABLE, JobState.FAILED))
    assert finish(driver)
    assert not finish(driver)

    assert state(driver) is RunState.FINISHED


def test_the_end_recounts(database: Database) -> None:
    """Wrong counters do not finish a run too early; they are corrected and the run goes on."""
    driver = new_run(database, 2)
    with database.write() as connection:
        connection.execute(text("UPDATE run_counters SET key = 'succeeded' WHERE key = 'pending'"))

    assert not finish(driver)

    assert state(driver) is RunState.RUNNING
    assert driver.counts() == {("state", "pending"): 2}


@pytest.mark.parametrize("pending_of_first", [False, True])
def test_a_limited_run_pauses_when_its_first_jobs_are_done(
    database: Database, pending_of_first: bool
) -> None:
    """`--limit 2` of 5: paused for the limit, not finished; ended jobs beyond the limit do not count."""
    driver = new_run(database, 5, RunOptions(limit=2))
    if pending_of_first:
        driver.change(first_job(driver), f"due_at_ms = {NOW_MS * 2}")
    end_next(driver)
    assert not finish(driver)
    assert pending_of_first or state(driver) is RunState.RUNNING
    end_next(driver)

    assert not finish(driver)

    assert state(driver) is (RunState.RUNNING if pending_of_first else RunState.PAUSED)


def test_a_lower_limit_than_before_pauses_too(database: Database) -> None:
    """After `--limit 4`, `--limit 2` has no job left to start: it must not run for ever."""
    driver = new_run(database, 6, RunOptions(limit=4))
    for _ in range(4):
        end_next(driver)
    with database.write() as connection:
        stored_options.change(connection, driver.run_id, {"limit": 2}, NOW_MS)
        stored_options.set_output_path(connection, driver.run_id, "/out")

    finish(driver)

    assert state(driver) is RunState.PAUSED
    with database.read() as connection:
        found = runs.find(connection, driver.run_id)
    assert found is not None
    assert (found.pause_reason, found.output_path) == (PauseReason.LIMIT, "/out")


def test_a_limit_of_all_jobs_finishes(database: Database) -> None:
    """A limit not below the number of jobs has no effect."""
    driver = new_run(database, 1, RunOptions(limit=5))
    end_next(driver)

    assert finish(driver)


def test_a_finished_run_is_reopened_for_retried_jobs(database: Database) -> None:
    """It becomes ready, and a start sends them; a run that has not ended does not move."""
    driver = new_run(database, 1)
    lease = driver.bring(JobState.SUBMITTING)
    driver.apply(job_moves.refused, requeue_row(lease, JobState.FAILED))
    with database.write() as connection:
        run_moves.reopen(connection, driver.run_id, NOW_MS)
    assert finish(driver)

    with database.write() as connection:
        run_moves.reopen(connection, driver.run_id, NOW_MS)
        kinds = [event.kind for event in events.of_run(connection, driver.run_id)]

    assert state(driver) is RunState.READY
    assert kinds == ["started", "finished", "reopened"]


def test_an_event_of_many_processes_is_recorded_once(database: Database) -> None:
    """The same cause of one model is not recorded again, even with another model's in between."""
    driver = new_run(database, 1)
    causes = ["a: 1", "b: 2", "a: 1", "b: 2", "a: 3", "a: 1", "all", "all", "a%: 1"]
    with database.write() as connection:
        for at_ms, cause in enumerate(causes):
            events.record_once(connection, driver.run_id, at_ms, EventKind.LIMITS, cause)
    with database.read() as connection:
        recorded = [
            event.cause for event in events.of_run(connection, driver.run_id) if event.kind == "limits"
        ]
    assert recorded == ["a: 1", "b: 2", "a: 3", "a: 1", "all", "a%: 1"]
