"""Read events: the newest ones once, or those that come until the run has stopped or a signal comes."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from runner.cli.session.following.database_wait import wait_for_database
from runner.db.events import event_log
from runner.db.runs import run_snapshot
from runner.db.runs.run_snapshot import Part
from runner.rules.event_tail import EventTail
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from runner.cli.session.following.stop_signal import StopSignal
    from runner.db.events.event_log import EventFilter, LoggedEvent
    from runner.db.session import Database

_READ_S: Final = 0.5


def read_events(connection: Connection, wanted: EventFilter, rows_max: int) -> list[LoggedEvent]:
    """Return the newest events of both tables, oldest first."""
    found = [event_log.newest(connection, table, wanted, rows_max) for table in event_log.TABLES]
    return _in_order(found)[-rows_max:]


@dataclass(slots=True, kw_only=True)
class EventFollower:
    """Prints events as they come. `rows_max`: of those that were there before. `has_reader`: of stdout."""

    database: Database
    wanted: EventFilter
    rows_max: int
    stop: StopSignal
    print_event: Callable[[LoggedEvent], None]
    print_line: Callable[[str], None]
    has_reader: Callable[[], bool]
    has_begun: bool = False

    def follow(self) -> ExitCode:
        """Follow until the one run that is wanted has stopped, a signal comes, or the reader is gone.

        Raises Unreachable when the database does not come back.
        """
        tails: dict[str, EventTail] = {}
        answered_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            try:
                has_stopped = self._print_new(tails, now_s)
                answered_s = now_s
            except DBAPIError as error:
                if not self.has_begun:
                    tails.clear()
                wait_for_database(error, now_s - answered_s, self.stop, self.print_line)
                continue
            if has_stopped:
                return ExitCode.OK
            if self.stop.requested is not None:
                return self.stop.requested
            if not self.has_reader():
                return ExitCode.BROKEN_PIPE
            self.stop.wait(_READ_S)

    def _print_new(self, tails: dict[str, EventTail], now_s: float) -> bool:
        """Print what is new, in one look at the database; return whether the run has stopped by then."""
        new: list[list[LoggedEvent]] = []
        with self.database.read() as connection:
            transactions = event_log.open_transactions(connection)
            for table in event_log.TABLES:
                newest_id = event_log.newest_id(connection, table)
                tail = tails.setdefault(table, EventTail(newest_id))
                found = event_log.above(connection, table, self.wanted, tail.lower_floor(newest_id))
                new.append(tail.to_show(found, newest_id, transactions, now_s))
            before = [] if self.has_begun else read_events(connection, self.wanted, self.rows_max)
            has_stopped = self._has_stopped(connection)
        for event in _in_order(new) if self.has_begun else before:
            self.print_event(event)
        self.has_begun = True
        return has_stopped

    def _has_stopped(self, connection: Connection) -> bool:
        """Return whether the one run that is wanted has stopped, or is gone; False for all runs."""
        if self.wanted.run_id is None:
            return False
        stored = run_snapshot.read(connection, self.wanted.run_id, Part.NUMBERS)
        return stored is None or stored.has_stopped


def _in_order(tables: Iterable[Iterable[LoggedEvent]]) -> list[LoggedEvent]:
    """Return the events of several tables by their times; those of one table stay in their order."""
    return [*heapq.merge(*tables, key=lambda event: event.at_ms)]
