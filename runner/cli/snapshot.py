"""What `run`, `watch`, `status` and `list` show of a run at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runner.rules.states import AT_WORK, JobState
from runner.rules.throughput import Throughput
from runner.rules.worker_presence import WorkerPresence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.db.runs.run_row import RunRow
    from runner.db.runs.run_snapshot import RunSnapshot
    from runner.limiter.limits import BucketView
    from runner.limiter.refused_commits import CommitRefusal
    from runner.limiter.usage import BucketUsage
    from runner.rules.sending.team_limits import TeamLimits

FETCHABLE_MS: Final = 24 * 3600 * 1000  # xAI keeps a result for 24 hours
PROJECTED_FROM_JOBS: Final = 10
_OUTSTANDING: Final = (JobState.WAITING, JobState.COLLECTING)
_UNSETTLED: Final = (*_OUTSTANDING, JobState.SUBMITTING, JobState.STORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsInUse:
    """`busiest`: the model's bucket with the largest share in use; None where nothing was sent.

    `own`: the limits that the run has for itself; None where it has none. `team`: what was set for the team;
    None where Redis does not have it yet.
    """

    busiest: BucketUsage | None
    own: BucketView | None
    team: TeamLimits | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A run as one transaction saw it, and what is not in the database.

    `is_engine_alive`: whether the state folder has an engine; None with shared servers. `is_engine_ending`:
    it only finishes what is in flight. `limits`: the limits and their use; None where they were not read or
    are not known. `stored_team_limits`: what the database has for the team of the API key; None where it was
    not read, or there is no key. `refused_commits`: that the database refuses what workers write.
    """

    stored: RunSnapshot
    is_engine_alive: bool | None
    is_engine_ending: bool = False
    limits: LimitsInUse | None = None
    stored_team_limits: TeamLimits | None = None
    refused_commits: CommitRefusal | None = None

    @property
    def as_of_ms(self) -> int:
        """When these numbers were true, by the database's clock."""
        return self.stored.as_of_ms

    @property
    def run(self) -> RunRow:
        """The run."""
        return self.stored.run

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """Its counters, by kind and key."""
        return self.stored.counts

    @property
    def team_limits(self) -> TeamLimits | None:
        """The limits of the team: as they bind at work, else those in the database; None if not known."""
        bind = None if self.limits is None else self.limits.team
        return self.stored_team_limits if bind is None else bind

    @property
    def has_stopped(self) -> bool:
        """Whether nothing more will happen to the run without a user."""
        return self.stored.has_stopped

    @property
    def without_worker_since_ms(self) -> int | None:
        """Since when the run needs a worker and has none; None where one is there, or none is needed.

        A worker whose writes are refused is there, although its heartbeat is refused too.
        """
        stored = self.stored
        if not stored.needs_worker or self.refused_commits is not None:
            return None
        started_ms = max(stored.last_started_ms or 0, self.run.started_at_ms or 0)
        presence = WorkerPresence(
            alive=stored.heartbeats.alive,
            seen_ms=stored.heartbeats.last_ms,
            is_engine_alive=self.is_engine_alive,
            is_engine_ending=self.is_engine_ending,
        )
        return presence.missing_since_ms(started_ms, self.as_of_ms)

    @property
    def fetchable_until_ms(self) -> int | None:
        """Until when the oldest outstanding answer can be fetched; None without one, or where not read."""
        oldest_ms = self.stored.oldest_out_ms
        return None if oldest_ms is None else oldest_ms + FETCHABLE_MS

    def jobs(self, *states: JobState) -> int:
        """Return the number of jobs in these states."""
        return sum(self.counts.get(("state", state), 0) for state in states)

    def total_of(self, kind: str, *keys: str) -> int:
        """Return the sum of some counters of one kind."""
        return sum(self.counts.get((kind, key), 0) for key in keys)

    @property
    def done(self) -> int:
        """Jobs that have ended or are held."""
        return self.stored.done

    @property
    def throughput(self) -> Throughput:
        """The rate lately and the time to go; unknown where it was not read, or the run is not at work."""
        lately = self.stored.ended_lately
        if lately is None or self.run.state not in AT_WORK:
            return Throughput()
        return lately.throughput(self.as_of_ms, self.run.total - self.done)

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first start of the run to its end, or to now."""
        until_ms = self.run.finished_at_ms or self.as_of_ms
        return (until_ms - (self.run.started_at_ms or until_ms)) / 1000

    @property
    def outstanding(self) -> int:
        """Answers that xAI keeps and that are not fetched yet."""
        return self.jobs(*_OUTSTANDING)

    @property
    def unsettled(self) -> int:
        """Jobs between being sent and their end: sent, waiting, being fetched or settled."""
        return self.jobs(*_UNSETTLED)

    @property
    def spent_ticks(self) -> int:
        """Ticks known to be spent."""
        return self.total_of("ticks", "reported", "estimated")

    @property
    def used_ticks(self) -> int:
        """Ticks that count against a budget: spent, or possibly spent."""
        return self.stored.used_ticks

    @property
    def probable_extra_ticks(self) -> int:
        """Ticks that were probably spent on what could not be read."""
        return self.total_of("ticks", "probable_extra")

    @property
    def refused_for_now(self) -> int:
        """Requests that the API refused for now: 429 and 503."""
        return self.total_of("attempts", "refused_for_now")

    @property
    def projected_ticks(self) -> int | None:
        """Ticks the whole run may cost, from what the ended jobs cost; None before ten have ended."""
        ended = self.jobs(JobState.SUCCEEDED, JobState.FAILED)
        if ended < PROJECTED_FROM_JOBS:
            return None
        left = self.run.total - ended - self.jobs(JobState.CANCELLED, JobState.HELD)
        so_far = self.spent_ticks if self.run.options.budget_ticks is None else self.used_ticks
        return so_far + self.spent_ticks * left // ended

    @property
    def extra_attempts(self) -> int:
        """Attempts beyond the one that gave each job its end."""
        return sum(n for (kind, _), n in self.counts.items() if kind == "extra")
