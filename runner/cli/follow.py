"""Following a run until it stands still: the one loop behind `run`, `start` and `watch`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy.exc import DBAPIError

from runner.cli import snapshot, text
from runner.db import events, runs
from runner.db.trouble import is_away
from runner.rules.errors import Unreachable
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from runner.cli.crew import Crew
    from runner.cli.gauge import Gauge
    from runner.cli.progress import Show
    from runner.cli.snapshot import Snapshot
    from runner.cli.stopping import Stop
    from runner.db.session import Database

_EAGER_S: Final = 2.0  # short runs end within it: look often
_LOOK_EAGER_S: Final = 0.05
_LOOK_S: Final = 0.25
_OLDEST_EACH_S: Final = 5.0
_DATABASE_AWAY_MAX_S: Final = 600.0


class Engine(Protocol):
    """What does the work, seen from here."""

    def alive(self) -> bool:
        """Say whether it lives."""

    def revive(self) -> None:
        """Start it again. Raises Unreachable when it does not stay alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The last numbers, and what left the run before it stood still: a signal, the time; None if it does."""

    seen: Snapshot
    left_by: ExitCode | None = None


@dataclass(slots=True, kw_only=True)
class Follower:
    """Follows one run. `engine` None: others do the work. `timeout_s` None: as long as it takes."""

    database: Database
    run_id: int
    show: Show
    stop: Stop
    engine: Engine | None = None
    timeout_s: float | None = None
    gauge: Gauge | None = None
    crew: Crew | None = None
    verbose: bool = False
    told_until: int = 0
    oldest_out_ms: int | None = None
    oldest_next_s: float = 0.0

    def follow(self) -> Ending:
        """Show the run until it stands still, the time is up, or a signal asks to stop.

        Raises Unreachable when the database stays away or the engine does not stay alive.
        """
        began_s = answered_s = time.monotonic()
        seen: Snapshot | None = None
        while True:
            now_s = time.monotonic()
            try:
                seen = self._look()
                answered_s = now_s
            except DBAPIError as error:
                if not is_away(error):
                    raise
                self._bear(error, now_s - answered_s)
            if seen is not None:
                self.show.update(seen)
                if stands_still(seen):
                    self._tell_events()
                    return Ending(seen=seen)
                if self.stop.asked is not None:
                    return Ending(seen=seen, left_by=self.stop.asked)
                if self.timeout_s is not None and now_s - began_s >= self.timeout_s:
                    return Ending(seen=seen, left_by=ExitCode.TIMEOUT)
            if self.engine is not None and not self.engine.alive():
                self.show.say("the engine ended unexpectedly; starting it again")
                self.engine.revive()
            self.stop.wait(_LOOK_EAGER_S if now_s - began_s < _EAGER_S else _LOOK_S)

    def _look(self) -> Snapshot:
        if self.verbose:
            self._tell_events()
        seen = snapshot.read(self.database, self.run_id)
        now_s = time.monotonic()
        if self.crew is not None and (news := self.crew.news()):
            self.show.say(news)
        if now_s >= self.oldest_next_s:
            self._tell_events()
            self.oldest_next_s = now_s + _OLDEST_EACH_S
            self.oldest_out_ms = snapshot.oldest_out_ms(self.database, self.run_id) if seen.out else None
        use = self.gauge.read() if self.gauge is not None else None
        return replace(seen, use=use, oldest_out_ms=self.oldest_out_ms if seen.out else None)

    def _tell_events(self) -> None:
        """Tell what happened to the run since the last time; without `verbose`, warnings only."""
        with self.database.read() as connection:
            found = events.of_run(connection, self.run_id)
        for event in found[self.told_until :]:
            if self.verbose or event.kind == events.WARNING:
                self.show.say(f"{text.timestamp(event.at_ms)}  {event.kind}  {event.cause}".rstrip())
        self.told_until = len(found)

    def _bear(self, error: DBAPIError, away_s: float) -> None:
        """Wait for a database that is away for a while; the engine does the same."""
        if away_s > _DATABASE_AWAY_MAX_S or self.stop.asked is not None:
            why = str(error.orig).strip().splitlines()[:1]
            raise Unreachable("the database does not answer any more", where=tuple(why), fix="runner doctor")
        self.show.say("the database does not answer; trying again")
        self.stop.wait(1.0)


def stands_still(seen: Snapshot) -> bool:
    """Say whether nothing more will happen to the run by itself."""
    return runs.stands_still(seen.run, seen.counts)
