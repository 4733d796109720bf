"""When to ask for answers: the schedule of `rules.polling`, with what is learnt of each model."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from runner.rules.sending import polling
from runner.rules.sending.probes import PROBES

if TYPE_CHECKING:
    from random import Random

    from runner.db.workers.leases import ClaimedJob
    from runner.engine.limits.model_buckets import ModelBuckets
    from runner.engine.limits.team import Team
    from runner.engine.process.shared_clock import SharedClock
    from runner.limiter.estimates import SharedEstimates
    from runner.limiter.limiter import Limiter

CHARGED_READ_EACH_S: Final = 0.3


class PollSchedule:
    """Belongs to one event loop, but for `postpone_s`.

    `charge_polls` is the setting: "always", "never", or as the API's refusals show.
    """

    def __init__(
        self,
        *,
        charge_polls: str,
        team: Team,
        buckets: ModelBuckets,
        limiter: Limiter,
        estimates: SharedEstimates,
        clock: SharedClock,
        random: Random,
    ) -> None:
        self._charge_polls, self._team, self._buckets = charge_polls, team, buckets
        self._limiter, self._estimates = limiter, estimates
        self._clock, self._random = clock, random
        self._probing: defaultdict[str, set[int]] = defaultdict(set)
        self._charged: dict[str, bool] = {}
        self._charged_read_s: dict[str, float] = {}

    def is_charged(self, model: str) -> bool:
        """Return whether a poll needs a slot; False until the team is known."""
        now_s = time.monotonic()
        if now_s - self._charged_read_s.get(model, -math.inf) > CHARGED_READ_EACH_S:
            self._charged_read_s[model] = now_s
            self._charged[model] = self._read_charged(model)
        return self._charged[model]

    def _read_charged(self, model: str) -> bool:
        if self._charge_polls == "never" or self._team.name is None:
            return False
        return self._charge_polls == "always" or self._limiter.polls_charged(self._buckets.name(model))

    def next_poll_s(self, model: str, job_id: int, age_s: float) -> float:
        """Return the seconds to the next poll of a job that was accepted `age_s` ago and is not ready."""
        return polling.next_poll_s(
            age_s,
            self._random.random(),
            latency=self._estimates.latency(model),
            is_probe=self._is_probe(model, job_id),
            charged=self.is_charged(model),
        )

    def postpone_s(self, job: ClaimedJob) -> float:
        """Return the seconds to postpone a due poll, by the latency that was observed since; 0: poll now.

        On PostgreSQL this runs on the thread of the group commit, so it reads only cached values.
        """
        age_s = self._clock.since_s(job.accepted_at_ms)
        if not age_s:  # the clock was set back: its age is unknown
            return 0.0
        return polling.postpone_s(
            age_s,
            self._random.random(),
            latency=self._estimates.cached_latency(job.model),
            is_probe=self._is_probe(job.model, job.lease.job_id),
            charged=self._charged.get(job.model, False),
        )

    def observe(self, job: ClaimedJob, *, is_ready: bool) -> None:
        """Learn from the poll of a job just now, if it is one of the sampled ones."""
        if not self._estimates.is_sampled(job.model, job.lease.job_id):
            return
        age_s = self._clock.since_s(job.accepted_at_ms)
        latency = self._estimates.latency(job.model)
        asked_s = polling.last_poll_age_s(
            age_s, job.polls, latency=latency, charged=self.is_charged(job.model)
        )
        self._estimates.observe_latency(job.model, asked_s, age_s, ready=is_ready)

    def _is_probe(self, model: str, job_id: int) -> bool:
        """Return whether a job is one of the first of its model here, whose polls measure the latency."""
        probes = self._probing[model]
        if len(probes) < PROBES:
            probes.add(job_id)
        return job_id in probes
