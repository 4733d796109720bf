"""The trail of commands: one event, written with the change, and options that stay."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from actors import ANN, event_of, trail_of
from run_driver import NOW_MS, new_run
from sqlalchemy import text

from runner.db.events import events, trail
from runner.db.moves import user_moves
from runner.db.runs import run_end, run_moves, stored_options
from runner.db.runs.run_row import RunOptions
from runner.rules.event_kinds import EventKind
from runner.rules.states import JobState, PauseReason

if TYPE_CHECKING:
    from runner.db.session import Database

HOSTILE = "\x1b[31m\0 \u202e <b>'; DROP TABLE runs"


def test_an_event_has_who_what_before_and_after_and_why(database: Database) -> None:
    """On both databases, whatever the words are."""
    driver = new_run(database, 1)
    actor = replace(ANN, command=f"runner set {HOSTILE}", reason=f"because {HOSTILE}")
    with database.write() as connection:
        trail.record(
            connection,
            driver.run_id,
            NOW_MS,
            EventKind.SET,
            actor=actor,
            old={"name": HOSTILE},
            new={"rpm": 60},
        )

    (found,) = trail_of(database)
    assert (found.old, found.new) == ({"name": HOSTILE}, {"rpm": 60})
    assert found.command == f"runner set {HOSTILE}"
    assert found.reason == f"because {HOSTILE}".replace("\0", "\ufffd")


def test_an_event_does_not_show_the_command_of_on_end(database: Database) -> None:
    """It may hold a token; that there is none is told."""
    driver, command = new_run(database, 1), "curl -H 'Authorization: Bearer abc' https://example.org"
    with database.write() as connection:
        trail.record(
            connection,
            driver.run_id,
            NOW_MS,
            EventKind.SET,
            actor=ANN,
            old={"on_end": None},
            new={"on_end": command},
        )

    (found,) = trail_of(database)
    assert (found.old, found.new) == ({"on_end": None}, {"on_end": "(a command)"})


def test_an_operators_event_outlives_the_run(database: Database) -> None:
    """It has the run's name, and may belong to no run."""
    with database.write() as connection:
        trail.record_operator_event(
            connection, NOW_MS, EventKind.REMOVED, actor=ANN, run_id=7, run_name="a\0b", old={"jobs": 3}
        )
        trail.record_operator_event(connection, NOW_MS, EventKind.TEAM_LIMITS, actor=ANN)

    with database.read() as connection:
        rows = connection.execute(text("SELECT * FROM operator_events ORDER BY id")).all()
    assert [(row.run_id, row.run_name, row.reason) for row in rows] == [
        (7, "a\ufffdb", "a test"),
        (None, None, "a test"),
    ]
    assert json.loads(rows[0].actor) == {"user": "ann", "host": "box", "command": "runner test"}
    assert (json.loads(rows[0].old), rows[0].new) == ({"jobs": 3}, None)


def test_a_command_has_one_event_that_grows(database: Database) -> None:
    """Its first old value and its newest new value count, in the order of its transactions."""
    driver = new_run(database, 1)
    event = event_of(driver.run_id)
    for kind, old, new in (
        (EventKind.LOADED, {}, {"rpm": 5}),
        (EventKind.STARTED, {"rpm": 5, "state": "ready"}, {"rpm": 6}),
    ):
        with database.write() as connection:
            event = event.extended(connection, NOW_MS, kind, old=old, new=new)

    (found,) = trail_of(database)
    assert (found.kind, found.old, found.new) == ("started", {"rpm": 5, "state": "ready"}, {"rpm": 6})


def test_an_event_of_a_night_grows_in_its_own_table(database: Database) -> None:
    """It belongs to no run."""
    event = trail.CommandEvent(actor=ANN, name="answers@2026-12-01")
    for new in ({"graders": ["a"]}, {"verdict": "passed"}):
        with database.write() as connection:
            event = event.extended(connection, NOW_MS, EventKind.GRADED_AGAIN, new=new)

    (found,) = trail_of(database, "operator_events")
    assert found.new == {"graders": ["a"], "verdict": "passed"}


class StoppedError(Exception):
    """Stands for a crash."""


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_jobs_and_their_event_change_together(database: Database, chunks: int) -> None:
    """After a crash between two chunks the event has as many jobs as have moved, or is not there."""
    driver = new_run(database, 3)
    begun = user_moves.JobsEvent(event=event_of(driver.run_id), kind=EventKind.JOBS_CANCELLED, at_ms=NOW_MS)
    left = iter(range(chunks))

    def cancel_one(connection: object, deltas: object) -> int:
        moved = user_moves.cancel(connection, driver.run_id, NOW_MS, deltas, 1)  # type: ignore[arg-type]
        if next(left, None) is None:
            raise StoppedError
        return moved

    with pytest.raises(StoppedError):
        user_moves.move_in_chunks(database, begun, cancel_one)

    cancelled = driver.counts().get(("state", JobState.CANCELLED), 0)
    assert cancelled == chunks
    assert [found.new for found in trail_of(database)] == ([{"jobs": chunks}] if chunks else [])


def test_a_command_that_moves_no_job_leaves_no_event(database: Database) -> None:
    """It found none."""
    driver = new_run(database, 1)
    begun = user_moves.JobsEvent(event=event_of(driver.run_id), kind=EventKind.RETRIED, at_ms=NOW_MS)

    done = user_moves.walk_in_chunks(database, begun, lambda *_: user_moves.Walked(0, None))

    assert done.moved == 0
    assert trail_of(database) == []


def test_a_pause_says_who_made_it(database: Database) -> None:
    """One event, with the cause that a pause has; a second pause moves nothing and leaves none."""
    driver = new_run(database, 1)
    for _ in range(2):
        record = trail.recorded_by(ANN, old={"state": "running"}, new={"state": "paused"})
        with database.write() as connection:
            run_moves.pause(connection, driver.run_id, PauseReason.USER, "by hand", NOW_MS, record=record)

    (found,) = trail_of(database)
    assert (found.kind, found.old, found.new) == ("paused", {"state": "running"}, {"state": "paused"})
    with database.read() as connection:
        assert [event.cause for event in events.of_run(connection, driver.run_id)][-1:] == ["user: by hand"]


def test_only_named_options_change(database: Database) -> None:
    """The others stay, also those of a newer version."""
    driver = new_run(database, 1, RunOptions(rpm=3_000, fail_on=("length",)))
    with database.write() as connection:
        connection.execute(
            text("UPDATE runs SET options = :options"),
            {"options": json.dumps({"rpm": 3_000, "fail_on": ["length"], "of_later": 1})},
        )
        changed = stored_options.change(
            connection, driver.run_id, {"rpm": 60, "fail_on": ("length",), "max_failures": None}, NOW_MS
        )
        stored = json.loads(connection.execute(text("SELECT options FROM runs")).scalar_one())

    assert (changed.old, changed.new) == ({"rpm": 3_000}, {"rpm": 60})
    assert stored == {"rpm": 60, "fail_on": ["length"], "of_later": 1}


def test_a_command_named_after_the_end_is_for_the_next_one(database: Database) -> None:
    """It is not called for an end that nobody had asked to be told of."""
    driver = new_run(database, 1)
    with database.write() as connection:
        connection.execute(text("UPDATE runs SET state = 'finished', finished_at_ms = 1"))
        events.record(connection, driver.run_id, NOW_MS, EventKind.FINISHED, "")
        stored_options.change(connection, driver.run_id, {"on_end": "true"}, NOW_MS)
        assert not run_end.claim_on_end(connection, driver.run_id, NOW_MS)
        run_moves.reopen(connection, driver.run_id, NOW_MS)
        events.record(connection, driver.run_id, NOW_MS, EventKind.FINISHED, "")
        assert run_end.claim_on_end(connection, driver.run_id, NOW_MS)
