"""Reading events: the newest of both tables, filtered; and while writers commit in another order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pytest
import query_plans
from run_driver import NOW_MS, new_run
from sqlalchemy import text

from runner.cli.session.following.follow_events import read_events
from runner.db.events import event_log, events, trail
from runner.db.events.event_log import EventFilter
from runner.db.events.trail import Actor
from runner.db.workers import fleet
from runner.rules.event_kinds import EventKind
from runner.rules.event_tail import EventTail

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from runner.db.events.event_log import LoggedEvent
    from runner.db.session import Database

EVENTS = 2_000
LATE_MS = 1_900
RARE = EventKind.RECOUNTED
ANN = Actor(user="ann", host="alpha", command="runner set 1 --rpm 60", reason="too fast")


def note(database: Database, *kinds: EventKind, run: int = 1) -> None:
    with database.write() as connection:
        for number, kind in enumerate(kinds):
            events.record(connection, run, NOW_MS + number, kind, f"cause of {kind}")


def warn(connection: Connection, *causes: str, run: int = 1) -> None:
    for cause in causes:
        events.record(connection, run, NOW_MS, EventKind.WARNING, cause)


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
        of_two = EventFilter(kinds=(EventKind.PAUSED, EventKind.STARTED))
        assert kinds(read_events(connection, of_two, 2)) == ["started", "paused"]
        assert kinds(read_events(connection, EventFilter(since_ms=NOW_MS + 1), 9)) == kinds(every)[2:]
        assert event_log.has_removed(connection, 2)
        assert not event_log.has_removed(connection, 1)
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


READ: Final = {  # what is read, from which table, and the index that has it
    "all": (EventFilter(), event_log.RUNS, "ix_run_events_at_ms_id"),
    "of a time": (EventFilter(since_ms=LATE_MS), event_log.RUNS, "ix_run_events_at_ms_id"),
    "of a rare kind": (EventFilter(kinds=(RARE,)), event_log.RUNS, "ix_run_events_kind_at_ms_id"),
    "of a kind and a time": (
        EventFilter(kinds=(RARE,), since_ms=LATE_MS),
        event_log.RUNS,
        "ix_run_events_kind_at_ms_id",
    ),
    "of a run": (EventFilter(run_id=7), event_log.RUNS, "ix_run_events_run_id_id"),
    "of a run, a kind and a time": (
        EventFilter(run_id=7, kinds=(EventKind.WARNING,), since_ms=1),
        event_log.RUNS,
        "ix_run_events_run_id_id",
    ),
    "of commands": (EventFilter(), event_log.OPERATORS, "ix_operator_events_at_ms_id"),
    "of commands, of a rare kind": (
        EventFilter(kinds=(RARE,)),
        event_log.OPERATORS,
        "ix_operator_events_kind_at_ms_id",
    ),
    "of commands, of a run": (EventFilter(run_id=7), event_log.OPERATORS, "ix_operator_events_run_id_id"),
    "of commands, of a night": (
        EventFilter(run_id=7, night="n@1"),
        event_log.OPERATORS,
        "ix_operator_events_run_id_id",
    ),
}


def fill(database: Database, *, is_analyzed: bool) -> None:
    """Insert events of 2,000 runs and of as many commands, the rare ones first; and workers."""
    values = [
        {
            "run": run,
            "at": run,
            "kind": EventKind.WARNING if run > 3 else RARE,
            "host": f"h{run % 9}",
            "who": ANN.encoded(),
        }
        for run in range(1, EVENTS + 1)
    ]
    with database.write() as connection:
        for table, columns, made in (
            ("run_events", "run_id, at_ms, kind, cause", ":run, :at, :kind, ''"),
            ("operator_events", "run_id, at_ms, kind, cause, actor", ":run, :at, :kind, '', :who"),
            ("workers", "host, node, pid, started_at_ms, seen_at_ms", ":host, '', :run, 1, 1"),
        ):
            connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({made})"), values)
        if is_analyzed and not database.is_sqlite:
            connection.execute(text("ANALYZE"))


def plan_of(database: Database, connection: Connection, ask: Callable[[], object]) -> str:
    """Return how the database finds the answer to one statement."""
    with query_plans.asked(database) as statements:
        ask()
    (statement,) = statements
    return query_plans.text_of(connection, statement)


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_no_listing_reads_a_whole_table(database: Database, *, is_analyzed: bool) -> None:
    """Each comes from its index, in which it is at one place."""
    fill(database, is_analyzed=is_analyzed)
    with database.read() as connection:
        plans = {
            name: plan_of(database, connection, partial(event_log.newest, connection, table, wanted, 100))
            for name, (wanted, table, _) in READ.items()
        }
        plans["known"] = plan_of(database, connection, partial(event_log.has_removed, connection, 7))
        plans["drained"] = plan_of(database, connection, partial(fleet.is_drained, connection, "h7", 7))

    wanted = {name: index for name, (_, _, index) in READ.items()}
    wanted |= {"known": "ix_operator_events_run_id_id", "drained": "ix_workers_host_pid_id"}
    assert {name: plan for name, plan in plans.items() if wanted[name] not in plan} == {}
    whole = ("SCAN", "Seq Scan on run_events", "Seq Scan on operator_events", "Seq Scan on workers")
    assert {name: plan for name, plan in plans.items() if any(words in plan for words in whole)} == {}


@pytest.mark.parametrize("kinds", [(), (EventKind.WARNING,), (RARE, EventKind.WARNING)])
def test_following_reads_no_more_than_the_newest_ids(
    database: Database, kinds: tuple[EventKind, ...]
) -> None:
    """Not all events of a kind: a follower asks twice a second."""
    fill(database, is_analyzed=True)
    wanted = EventFilter(kinds=kinds, since_ms=1)
    with database.read() as connection:
        with query_plans.asked(database) as statements:
            found = event_log.above(connection, event_log.RUNS, wanted, EVENTS - 5)
        plan = query_plans.text_of(connection, statements[0])

    assert len(found) == 5
    assert "pk_run_events" in plan or "INTEGER PRIMARY KEY" in plan
    assert "ix_run_events" not in plan
