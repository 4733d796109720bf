"""Follow a run until it stops: the one loop behind `run`, `start` and `watch`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy.exc import DBAPIError

from runner.cli.render import text
from runner.cli.render.runs.ending_text import availability_line
from runner.cli.session.following.database_wait import wait_for_database
from runner.db.runs.run_snapshot import Part
from runner.rules.event_kinds import EventKind
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.cli.session.following.commit_refusals import RefusedCommitsReader
    from runner.cli.session.following.display import ProgressDisplay
    from runner.cli.session.following.limit_usage import LimitUsageReader
    from runner.cli.session.following.stop_signal import StopSignal
    from runner.cli.snapshot import Snapshot

_EAGER_S: Final = 2.0  # short runs end within it: read often
_READ_EAGER_S: Final = 0.05
_READ_S: Final = 0.25
_SLOW_EACH_S: Final = 5.0


class RestartableEngine(Protocol):
    """The part of an engine that a follower needs."""

    def is_engine_alive(self) -> bool:
        """Return whether the engine is alive."""

    def restart(self) -> None:
        """Start it again. Raises Unreachable when it does not stay alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowEnd:
    """What was read last, and what ended following: a signal, the time, or a lost reader.

    `left_by` None: the run has stopped, and the snapshot has all parts that are printed then.
    """

    snapshot: Snapshot
    left_by: ExitCode | None = None


@dataclass(slots=True, kw_only=True)
class Follower:
    """Follows one run. `read` returns it with the parts named, each time from one transaction.

    `engine` None: another process runs the engine. `has_reader` returns False where no one reads what is
    printed, so that following is of no use. `timeout_s` None: no limit.
    """

    read: Callable[[Part], Snapshot]
    display: ProgressDisplay
    stop: StopSignal
    engine: RestartableEngine | None = None
    has_reader: Callable[[], bool] = lambda: True
    timeout_s: float | None = None
    limit_usage: LimitUsageReader | None = None
    refused_commits: RefusedCommitsReader | None = None
    verbose: bool = False
    events_printed: int = 0
    slow_next_s: float = 0.0
    oldest_out_ms: int | None = None
    lacks_worker: bool = False
    is_refused: bool = False

    def follow(self) -> FollowEnd:
        """Show the run until it stops, the time is up, or a signal requests a stop.

        Raises Unreachable when the database does not come back or the engine does not stay alive.
        """
        began_s = answered_s = time.monotonic()
        snapshot: Snapshot | None = None
        while True:
            now_s = time.monotonic()
            try:
                snapshot = self._read(now_s)
                answered_s = now_s
            except DBAPIError as error:
                wait_for_database(error, now_s - answered_s, self.stop, self.display.print_line)
            if snapshot is not None:
                self.display.update(snapshot)
                if end := self._end_by(snapshot, now_s - began_s):
                    return end
            self._keep_engine()
            self.stop.wait(_READ_EAGER_S if now_s - began_s < _EAGER_S else _READ_S)

    def _end_by(self, snapshot: Snapshot, followed_s: float) -> FollowEnd | None:
        """Return what ends following after `followed_s` seconds; None if nothing does yet."""
        if snapshot.has_stopped:
            return FollowEnd(snapshot=snapshot)
        if self.stop.requested is not None:
            return FollowEnd(snapshot=snapshot, left_by=self.stop.requested)
        if not self.has_reader():
            return FollowEnd(snapshot=snapshot, left_by=ExitCode.BROKEN_PIPE)
        if self.timeout_s is not None and followed_s >= self.timeout_s:
            return FollowEnd(snapshot=snapshot, left_by=ExitCode.TIMEOUT)
        return None

    def _keep_engine(self) -> None:
        """Start the engine again if it has ended. Raises Unreachable when it does not stay alive."""
        if self.engine is not None and not self.engine.is_engine_alive():
            self.display.print_line("the engine ended unexpectedly; starting it again")
            self.engine.restart()

    def _read(self, now_s: float) -> Snapshot:
        """Read what the display needs, and print what happened; events and the oldest answer every 5 s.

        A run that has stopped is read once more, with all parts that its end prints.
        """
        is_slow_due = now_s >= self.slow_next_s
        parts = self.display.parts() | (Part.EVENTS if self.verbose or is_slow_due else Part.NUMBERS)
        snapshot = self.read(parts | Part.OLDEST if is_slow_due else parts)
        if snapshot.has_stopped:
            snapshot = self.read(Part.ENDING | Part.EVENTS)
        elif is_slow_due:
            self.slow_next_s = now_s + _SLOW_EACH_S
        snapshot = self._with_kept(snapshot)
        self._print_events(snapshot)
        self._print_availability(snapshot)
        return snapshot

    def _with_kept(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with the usage of limits, and the oldest answer where that was not read now."""
        stored = snapshot.stored
        if self.refused_commits is not None:
            snapshot = self.refused_commits.added_to(snapshot)
        self.oldest_out_ms = (stored.oldest_out_ms or self.oldest_out_ms) if snapshot.outstanding else None
        if self.limit_usage is not None:
            snapshot = self.limit_usage.added_to(snapshot)
        return replace(snapshot, stored=replace(stored, oldest_out_ms=self.oldest_out_ms))

    def _print_events(self, snapshot: Snapshot) -> None:
        """Print the events since the last call; without `verbose`, warnings only."""
        for event in snapshot.stored.events[self.events_printed :]:
            if self.verbose or event.kind == EventKind.WARNING:
                line = f"{text.timestamp(event.at_ms)}  {event.kind}  {event.cause}"
                self.display.print_line(line.rstrip())
        self.events_printed = max(self.events_printed, len(snapshot.stored.events))

    def _print_availability(self, snapshot: Snapshot) -> None:
        """Print that the run has no worker or none that can write, or has one again.

        Where this process keeps the engine, a missing worker is on its way.
        """
        lacks_worker = self.engine is None and snapshot.without_worker_since_ms is not None
        is_refused = snapshot.refused_commits is not None
        has_changed = (lacks_worker, is_refused) != (self.lacks_worker, self.is_refused)
        if has_changed and not snapshot.has_stopped:
            self.display.print_line(availability_line(snapshot))
        self.lacks_worker, self.is_refused = lacks_worker, is_refused
