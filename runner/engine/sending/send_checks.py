"""Whether anything may be sent now: the disk has space, answers can be fetched, the team is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.limiter.limiter import LimiterUnavailable
from runner.rules.sending.probes import UNAVAILABLE_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.engine.collecting.fetch_outage import FetchOutage
    from runner.engine.limits.team import Team, TeamProblem
    from runner.engine.process.wakeups import Wakeups
    from runner.engine.runs.active_runs import ActiveRun, ActiveRuns
    from runner.engine.storing.disk_space import DiskSpace


class SendChecks:
    """`redis_is_ours`: the embedded engine restarts its own Redis, so no person has to."""

    def __init__(
        self,
        *,
        disk: DiskSpace,
        runs: ActiveRuns,
        team: Team,
        outage: FetchOutage,
        wakeups: Wakeups,
        now_ms: Callable[[], int],
        redis_is_ours: bool,
    ) -> None:
        self._disk, self._runs, self._team, self._outage = disk, runs, team, outage
        self._wakeups, self._now_ms, self._redis_is_ours = wakeups, now_ms, redis_is_ours

    async def may_send(self, sending: Sequence[ActiveRun]) -> bool:
        """Return whether runs may send; else set them to waiting or paused."""
        if problem := self._disk.problem():
            await self._runs.set_all_waiting(sending, problem)
            return False
        if self._is_probing_fetches():
            return False
        try:
            unknown = await self._team.resolve()
        except LimiterUnavailable as error:
            await self.limiter_failed(sending, error)
            return False
        if unknown is not None:
            await self._stop_for_team(sending, unknown)
        return unknown is None

    async def limiter_failed(self, sending: Sequence[ActiveRun], error: LimiterUnavailable) -> None:
        """Set runs to waiting that could not reserve."""
        why = error.what if self._redis_is_ours else f"{error.what}; {error.fix}"
        for active_run in sending:
            await self._runs.set_waiting(active_run.run.id, why)

    async def _stop_for_team(self, sending: Sequence[ActiveRun], problem: TeamProblem) -> None:
        for active_run in sending:
            if problem.reason is not None:
                await self._runs.pause(active_run.run.id, problem.reason, problem.why)
            elif problem.tries >= UNAVAILABLE_AFTER:
                await self._runs.set_waiting(active_run.run.id, problem.why)

    def _is_probing_fetches(self) -> bool:
        """Return whether an answer that is due shows when an outage of the fetches is over: nothing is sent.

        While none is due, one job at a time is sent as a probe: else one bad answer would stop a run.
        """
        return self._outage.is_on and self._wakeups.is_answer_due(self._now_ms())
