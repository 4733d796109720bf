"""Bring the limits of the team from the database, which keeps them, to Redis, where they bind."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from runner.db import stored_team_limits
from runner.db.events import trail
from runner.db.events.trail import Actor
from runner.db.runs.stored_options import OptionsChange
from runner.engine.process.host_id import EMBEDDED
from runner.engine.process.supervisor import log_failure
from runner.limiter.limiter import LimiterUnavailable
from runner.limiter.store import NamedTeamLimits
from runner.rules.event_kinds import EventKind
from runner.rules.servers.redis_errors import NOT_REBUILT
from runner.system_user import user_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from runner.db.session import Database
    from runner.db.stored_team_limits import HostSettings
    from runner.limiter.hand_over_limits import LimitsHandOver
    from runner.rules.sending.team_limits import VersionedLimits

_CAUSE: Final = "a worker started with changed settings"
AGAIN_S: Final = 5.0  # also unchanged ones: Redis may have lost its last writes


class TeamLimitsFollower:
    """Hands the limits to Redis when a worker starts, and whenever they were changed. Belongs to one loop.

    `settings`: those of this worker's host. `team` is the name of the team; None while it is not known.
    """

    def __init__(
        self, database: Database, redis: LimitsHandOver, settings: HostSettings, now_ms: Callable[[], int]
    ) -> None:
        self.team: str | None = None
        self._database, self._redis = database, redis
        self._settings, self._now_ms = settings, now_ms
        self._version = -1  # the newest that was handed over
        self._again_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def begin(self, team: str) -> None:
        """Let the settings of this host set the limits of a team, where they are new; hand these over.

        Raises LimiterUnavailable, and what the database raises.
        """
        found = await asyncio.get_running_loop().run_in_executor(None, self._record_start, team)
        await self._hand_over(NamedTeamLimits(team=team, found=found))
        self.team = team

    def read(self, connection: Connection) -> VersionedLimits:
        """Return the limits in force, for `follow`."""
        return stored_team_limits.read(connection, self._settings.fingerprint)

    def follow(self, found: VersionedLimits) -> None:
        """Hand over limits that were just read, in the background, where they are newer than the last ones.

        Where Redis does not answer, the next call tries again.
        """
        is_due = found.version > self._version or asyncio.get_running_loop().time() >= self._again_at
        if self.team is None or not is_due or self._task is not None:
            return
        limits = NamedTeamLimits(team=self.team, found=found)
        self._task = asyncio.get_running_loop().create_task(
            self._try_to_hand_over(limits), name="team limits"
        )
        self._task.add_done_callback(log_failure)

    async def read_now(self) -> NamedTeamLimits:
        """Return the limits in force of the team, for a Redis that was emptied. Raises LimiterUnavailable."""
        found = await asyncio.get_running_loop().run_in_executor(None, self._read)
        return NamedTeamLimits(team=self.team or "", found=found)

    async def close(self) -> None:
        """Hand over no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _try_to_hand_over(self, limits: NamedTeamLimits) -> None:
        try:
            with suppress(LimiterUnavailable):
                await self._hand_over(limits)
        finally:
            self._task = None

    async def _hand_over(self, limits: NamedTeamLimits) -> None:
        await self._redis.hand_over(limits)
        self._version = max(self._version, limits.found.version)
        self._again_at = asyncio.get_running_loop().time() + AGAIN_S

    def _record_start(self, team: str) -> VersionedLimits:
        """Record the settings of this host; where they change the limits, with an event of the host."""
        settings, now_ms = self._settings, self._now_ms()
        with self._database.write() as connection:
            stored_team_limits.lock(connection)
            if team != settings.fingerprint:
                stored_team_limits.record_team(connection, settings.fingerprint, team)
            before = self.read(connection).limits
            found = stored_team_limits.record_start(connection, settings, now_ms)
            change = OptionsChange.between(asdict(before), asdict(found.limits))
            if change.new:
                actor = Actor(user=user_name(), host=_shown(settings.host), command="")
                trail.record_operator_event(
                    connection,
                    now_ms,
                    EventKind.TEAM_LIMITS,
                    actor=actor,
                    old=change.old,
                    new=change.new,
                    cause=_CAUSE,
                )
        return found

    def _read(self) -> VersionedLimits:
        try:
            with self._database.read() as connection:
                return self.read(connection)
        except DBAPIError as error:
            raise LimiterUnavailable(self._database.explained(error), fault=NOT_REBUILT) from error


def _shown(host: str) -> str:
    """Return the id of a host; for the engine of a state folder, which has none, the name of the machine."""
    return socket.gethostname() if host == EMBEDDED else host
