"""Reading events: the newest of both tables, filtered; and while writers commit in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import query_plans
from run_driver import NOW_MS, new_run
from sqlalchemy import text

from runner.cli.session.follow_events import read_events
from runner.db import event_log, events, trail
from runner.db.event_log import EventFilter
from runner.db.trail import Actor
from runner.rules.event_kinds import EventKind
from runner.rules.event_tail import EventTail

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from runner.db.event_log import LoggedEvent
    from runner.db.session import Database

ANN = Actor(user="ann", host="alpha", command="runner set 1 --rpm 60", reason="too fast")


def note(database: Database, *kinds: EventKind, run: int = 1) -> None:
    with database.write() as connection:
        for number, kind in enumerate(kinds):
            events.note(connection, run, NOW_MS + number, kind, f"cause of {kind}")


def warn(connection: Connection, *causes: str, run: int = 1) -> None:
    for cause in causes:
        events.note(connection, run, NOW_MS, EventKind.WARNING, cause)


def kinds(found: list[LoggedEvent]) -> list[str]:
    return [event.kind for event in found]


def test_the_newest_come_last_from_both_tables(database: Database) -> None:
    """Of one run or of all; by kind and time."""
    note(database, EventKind.STARTED, run=2)
    note(database, EventKind.STARTED, EventKind.PAUSED)
    with database.write() as connection:
        trail.record_operator_event(
            connection, NOW_MS + 9, EventKind.REMOVED, actor=ANN, run_id=2, run_name="old", cause="7 jobs"
        )
    with database.read() as connection:
        every = read_events(connection, EventFilter(), 10)
        assert kinds(every) == ["started", "started", "paused", "removed"]
        assert kinds(read_events(connection, EventFilter(), 2)) == ["paused", "removed"]
        assert kinds(read_events(connection, EventFilter(run_id=2), 9)) == ["started", "removed"]
        assert (
            kinds(read_events(connection, EventFilter(kinds=(EventKind.PAUSED, EventKind.REMOVED)), 9))
            == kinds(every)[2:]
        )
        assert kinds(read_events(connection, EventFilter(since_ms=NOW_MS + 1), 9)) == kinds(every)[2:]
        assert event_log.is_known(connection, 2)
        assert not event_log.is_known(connection, 1)
    assert every[-1].run_name == "old"


def test_an_event_of_a_command_has_who_what_and_why(database: Database) -> None:
    """Others have none of it."""
    run = new_run(database, 1).run_id
    note(database, EventKind.WARNING, run=run)
    with database.write() as connection:
        old, new = {"rpm": 3_000}, {"rpm": 60}
        trail.record(connection, run, NOW_MS + 5, EventKind.SET, actor=ANN, old=old, new=new)
    with database.read() as connection:
        warning, changed = read_events(connection, EventFilter(run_id=run), 9)[-2:]

    assert (warning.actor, warning.old, warning.reason) == (None, {}, None)
    assert changed.actor is not None
    assert (changed.actor.user, changed.actor.host, changed.actor.command) == (
        "ann",
        "alpha",
        "runner set 1 --rpm 60",
    )
    assert (changed.old, changed.new, changed.reason) == ({"rpm": 3_000}, {"rpm": 60}, "too fast")
    assert changed.run_name == "by-hand"


class Reader:
    """Polls as `events --follow` does; `now_s` is its clock."""

    def __init__(self, database: Database) -> None:
        self._database, self.now_s = database, 0.0
        with database.read() as connection:
            self._tail = EventTail(event_log.newest_id(connection, event_log.RUNS))
        self.poll()

    def poll(self) -> list[str]:
        self.now_s += 10.0
        with self._database.read() as connection:
            transactions = event_log.open_transactions(connection)
            newest = event_log.newest_id(connection, event_log.RUNS)
            found = event_log.above(connection, event_log.RUNS, EventFilter(), self._tail.lower_floor(newest))
            shown = self._tail.to_show(found, newest, transactions, self.now_s)
        return [event.cause for event in shown]


def test_an_event_that_commits_late_is_not_missed(postgres_database: Database) -> None:
    """Its id was given before a thousand others, which were read long ago: ids are no order of commits."""
    database = postgres_database
    reader = Reader(database)
    with database.engine.connect() as slow, slow.begin():
        warn(slow, "late")
        with database.engine.connect() as failing:
            warn(failing, "never")
            failing.rollback()
        with database.write() as connection:
            warn(connection, *(f"other-{number}" for number in range(1_000)))
        assert len(reader.poll()) == 1_000
        assert [reader.poll() for _ in range(10)] == [[]] * 10
    assert reader.poll() == ["late"]
    assert [reader.poll() for _ in range(3)] == [[]] * 3


def test_events_of_a_removed_run_hide_no_new_ones(database: Database) -> None:
    """SQLite gives their ids again."""
    with database.write() as connection:
        warn(connection, *(f"old-{number}" for number in range(20)))
    reader = Reader(database)
    with database.write() as connection:
        connection.execute(text("DELETE FROM run_events WHERE id > 5"))
    with database.write() as connection:
        warn(connection, "new", "newer", run=2)

    assert reader.poll() == ["new", "newer"]
    assert reader.poll() == []


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_the_events_of_a_run_come_from_its_index(database: Database, *, is_analyzed: bool) -> None:
    """Not from the whole table, of which they may be a small part."""
    with database.write() as connection:
        values = [{"run": run, "kind": f"k{run}"} for run in range(2_000)]
        connection.execute(
            text("INSERT INTO run_events (run_id, at_ms, kind, cause) VALUES (:run, 1, :kind, '')"), values
        )
        if is_analyzed and not database.is_sqlite:
            connection.execute(text("ANALYZE"))
    with database.read() as connection:
        with query_plans.asked(database) as statements:
            found = event_log.newest(connection, event_log.RUNS, EventFilter(run_id=7), 100)
        (statement,) = statements
        plan = query_plans.text_of(connection, statement)

    assert kinds(found) == ["k7"]
    assert "ix_run_events_run_id_id" in plan
