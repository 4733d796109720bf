"""Follow a run until it stops: the one loop behind `run`, `start` and `watch`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy.exc import DBAPIError

from runner.cli.render import text
from runner.cli.session.run_state import oldest_out_ms, read_snapshot
from runner.db import events, runs
from runner.db.driver_errors import is_unavailable
from runner.rules.errors import Unreachable
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from runner.cli.session.display import ProgressDisplay
    from runner.cli.session.fleet import FleetWatch
    from runner.cli.session.limit_usage import LimitUsageReader
    from runner.cli.session.stop_signal import StopSignal
    from runner.cli.snapshot import Snapshot
    from runner.db.session import Database

_EAGER_S: Final = 2.0  # short runs end within it: read often
_READ_EAGER_S: Final = 0.05
_READ_S: Final = 0.25
_OLDEST_EACH_S: Final = 5.0
_DATABASE_AWAY_MAX_S: Final = 600.0


class RestartableEngine(Protocol):
    """The part of an engine that a follower needs."""

    def is_engine_alive(self) -> bool:
        """Return whether the engine is alive."""

    def restart(self) -> None:
        """Start it again. Raises Unreachable when it does not stay alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowEnd:
    """The last numbers, and what ended following: a signal or the time; None if the run has stopped."""

    snapshot: Snapshot
    left_by: ExitCode | None = None


@dataclass(slots=True, kw_only=True)
class Follower:
    """Follows one run. `engine` None: another process runs the engine. `timeout_s` None: no limit."""

    database: Database
    run_id: int
    display: ProgressDisplay
    stop: StopSignal
    engine: RestartableEngine | None = None
    timeout_s: float | None = None
    limit_usage: LimitUsageReader | None = None
    fleet: FleetWatch | None = None
    verbose: bool = False
    events_printed: int = 0
    oldest_out_ms: int | None = None
    oldest_next_s: float = 0.0

    def follow(self) -> FollowEnd:
        """Show the run until it stops, the time is up, or a signal requests a stop.

        Raises Unreachable when the database does not come back or the engine does not stay alive.
        """
        began_s = answered_s = time.monotonic()
        snapshot: Snapshot | None = None
        while True:
            now_s = time.monotonic()
            try:
                snapshot = self._read()
                answered_s = now_s
            except DBAPIError as error:
                if not is_unavailable(error):
                    raise
                self._wait_for_database(error, now_s - answered_s)
            if snapshot is not None:
                self.display.update(snapshot)
                if end := self._end_by(snapshot, now_s - began_s):
                    return end
            self._keep_engine()
            self.stop.wait(_READ_EAGER_S if now_s - began_s < _EAGER_S else _READ_S)

    def _end_by(self, snapshot: Snapshot, followed_s: float) -> FollowEnd | None:
        """Return what ends following after `followed_s` seconds; None if nothing does yet."""
        if has_stopped(snapshot):
            self._print_events()
            return FollowEnd(snapshot=snapshot)
        if self.stop.requested is not None:
            return FollowEnd(snapshot=snapshot, left_by=self.stop.requested)
        if self.timeout_s is not None and followed_s >= self.timeout_s:
            return FollowEnd(snapshot=snapshot, left_by=ExitCode.TIMEOUT)
        return None

    def _keep_engine(self) -> None:
        """Start the engine again if it has ended. Raises Unreachable when it does not stay alive."""
        if self.engine is not None and not self.engine.is_engine_alive():
            self.display.print_line("the engine ended unexpectedly; starting it again")
            self.engine.restart()

    def _read(self) -> Snapshot:
        if self.verbose:
            self._print_events()
        snapshot = read_snapshot(self.database, self.run_id)
        now_s = time.monotonic()
        if self.fleet is not None and (change := self.fleet.availability_change()):
            self.display.print_line(change)
        if now_s >= self.oldest_next_s:
            self._print_events()
            self.oldest_next_s = now_s + _OLDEST_EACH_S
            self.oldest_out_ms = oldest_out_ms(self.database, self.run_id) if snapshot.outstanding else None
        return replace(
            snapshot,
            limit_usage=self.limit_usage.read() if self.limit_usage is not None else None,
            oldest_out_ms=self.oldest_out_ms if snapshot.outstanding else None,
        )

    def _print_events(self) -> None:
        """Print what happened to the run since the last call; without `verbose`, warnings only."""
        with self.database.read() as connection:
            found = events.of_run(connection, self.run_id)
        for event in found[self.events_printed :]:
            if self.verbose or event.kind == events.WARNING:
                line = f"{text.timestamp(event.at_ms)}  {event.kind}  {event.cause}"
                self.display.print_line(line.rstrip())
        self.events_printed = len(found)

    def _wait_for_database(self, error: DBAPIError, away_s: float) -> None:
        """Wait a second for the database. Raises Unreachable after ten minutes or a signal."""
        if away_s > _DATABASE_AWAY_MAX_S or self.stop.requested is not None:
            why = str(error.orig).strip().splitlines()[:1]
            raise Unreachable("the database does not answer any more", where=tuple(why), fix="runner doctor")
        self.display.print_line("the database does not answer; trying again")
        self.stop.wait(1.0)


def has_stopped(snapshot: Snapshot) -> bool:
    """Return whether nothing more will happen to the run without a user."""
    return runs.has_stopped(snapshot.run, snapshot.counts)
