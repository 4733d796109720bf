"""The name of the API key's team, whose limits a worker uses; known before anything is sent."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from runner.api import account
from runner.api.request_failed import RequestFailed
from runner.engine.process.supervisor import log_failure
from runner.limiter.limiter import LimiterUnavailable
from runner.rules.replies.key_status import KeyStatus
from runner.rules.sending import retry
from runner.rules.sending.probes import PROBE_WAIT_S_MAX
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from random import Random

    from runner.api.client import XAIClient
    from runner.engine.limits.follow_team_limits import TeamLimitsFollower
    from runner.limiter.team_names import TeamNames

ANSWER_S: Final = 10.0  # the request is free, so it may be cut off
RETRY_S: Final = 30.0  # where nothing is sent, which asks by itself
REFUSED_S: Final = 0.5  # how long a refusal holds before the API is asked again

log = logging.getLogger("runner.team")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamProblem:
    """Why the name is not known. With a `reason` runs have to pause, else `tries` requests got no answer."""

    reason: PauseReason | None
    why: str
    tries: int


class Team:
    """Reads the name from Redis, else from the API, else uses the key's fingerprint. Belongs to one loop.

    `limits`: what brings the limits that were set for the team to Redis.
    """

    def __init__(
        self,
        api: XAIClient,
        names: TeamNames,
        limits: TeamLimitsFollower,
        fingerprint: str,
        random: Random,
    ) -> None:
        self.name: str | None = None
        self._api, self._fingerprint, self._random = api, fingerprint, random
        self._names, self._limits = names, limits
        self._problem: TeamProblem | None = None
        self._again_at = 0.0
        self._tries = 0
        self._asking = asyncio.Lock()
        self._early: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def resolve_early(self) -> None:
        """Resolve while the rest of the worker opens, and again until the name is known.

        Sending calls `resolve` as well; a worker that only collects needs the name for the slots of polls.
        """
        self._early = asyncio.get_running_loop().create_task(self._try_to_resolve(), name="team")
        self._early.add_done_callback(log_failure)

    async def close(self) -> None:
        """Ask no more, and hand over no limits."""
        await self._limits.close()
        self._closing.set()  # a request that fails right now takes a cancellation with it
        if self._early is not None:
            self._early.cancel()
            await asyncio.wait([self._early])

    async def resolve(self) -> TeamProblem | None:
        """Return None once the name is known, else why not.

        Raises LimiterUnavailable, and what the database raises: without the team's limits nothing is sent.
        Call it as often as needed: requests to the API are spaced by a backoff.
        """
        async with self._asking:
            loop = asyncio.get_running_loop()
            if self.name is None and (self._problem is None or loop.time() >= self._again_at):
                name = await self._names.name_of(self._fingerprint)
                self._problem = await self._ask() if name is None else None
                if name is not None:
                    await self._take(name)
            return self._problem

    async def record_again(self) -> None:
        """Record the name in a Redis that was emptied; take over one that is there already."""
        if self.name is not None:
            self.name = self._limits.team = await self._names.propose(self._fingerprint, self.name)

    async def _take(self, name: str) -> None:
        """Take a name, once Redis has the limits that were set for the team."""
        await self._limits.begin(name)
        self.name = name

    async def _ask(self) -> TeamProblem | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                info = await account.api_key_info(self._api)
                status, why = await account.status_of_key(self._api, info)
        except (RequestFailed, TimeoutError) as error:
            broken = error if isinstance(error, RequestFailed) else self._api.timed_out()
            return self._unanswered(broken.detail)
        match status:
            case KeyStatus.RETRY_LATER:
                return self._unanswered(why)
            case KeyStatus.REFUSED | KeyStatus.NO_ENDPOINT:
                self._again_at = asyncio.get_running_loop().time() + REFUSED_S
                reason = PauseReason.KEY if status is KeyStatus.REFUSED else PauseReason.SETTING
                return TeamProblem(reason=reason, why=why, tries=1)
            case KeyStatus.TEAM_UNKNOWN:
                log.info("team.not_named status=%d", info.reply.status)
        name = info.team_id if status is KeyStatus.TEAM_KNOWN and info.team_id else self._fingerprint
        await self._take(await self._names.propose(self._fingerprint, name))
        return None

    def _unanswered(self, why: str) -> TeamProblem:
        """Return that one more request got no answer; the next one waits for a backoff."""
        self._tries += 1
        pause_s = min(retry.backoff_s(self._tries, self._random.random()), PROBE_WAIT_S_MAX)
        self._again_at = asyncio.get_running_loop().time() + pause_s
        return TeamProblem(reason=None, why=why, tries=self._tries)

    async def _try_to_resolve(self) -> None:
        while not self._closing.is_set():
            with suppress(LimiterUnavailable, DBAPIError):
                if await self.resolve() is None:
                    return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), RETRY_S)
