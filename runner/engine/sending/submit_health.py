"""What the last submits of a process say about the service: they decide how carefully the next ones go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.api import account
from runner.engine.collecting.firewall_pages import FirewallPages
from runner.engine.runs.circuit_breaker import Endpoint
from runner.engine.runs.consecutive_failures import ConsecutiveFailures
from runner.rules.replies.after_submit import WITHOUT_ID_MAX
from runner.rules.sending.failure_pause import ALIKE_MIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from runner.api.client import XAIClient
    from runner.db.workers.leases import LeasedJob
    from runner.engine.collecting.fetch_outage import FetchOutage
    from runner.engine.runs.active_runs import ActiveRuns
    from runner.engine.runs.circuit_breaker import CircuitBreaker
    from runner.limiter.limiter import Limiter


class SubmitHealth:
    """Counts failures since the last accepted submit: in a row, without a request_id, firewall pages, and
    the jobs of a run that were held for a value of theirs.
    """

    def __init__(
        self,
        api: XAIClient,
        runs: ActiveRuns,
        breaker: CircuitBreaker,
        outage: FetchOutage,
        limiter: Limiter,
        now_ms: Callable[[], int],
    ) -> None:
        self._api, self._runs, self._now_ms = api, runs, now_ms
        self._breaker, self._outage, self._limiter = breaker, outage, limiter
        self._failures = ConsecutiveFailures()
        self._without_id = ConsecutiveFailures()
        self._pages = FirewallPages()
        self._held_in_a_row: dict[int, int] = {}  # by run
        self._asking = asyncio.Lock()

    @property
    def should_probe(self) -> bool:
        """Return whether the last requests failed."""
        return self._failures.should_probe

    @property
    def is_one_at_a_time(self) -> bool:
        """Return whether only one request may be out: the last ones failed, or one without a request_id."""
        return self.should_probe or self._without_id.has_failed

    async def is_path_open(self) -> bool:
        """Return whether the API answers a free request; asked only after a submit without a request_id.

        Such a submit may be paid, so the next one leaves only when the API itself is there.
        """
        async with self._asking:  # one asks; the others may find then that a submit got through
            return not self._without_id.has_failed or await self.is_path_right()

    async def is_path_right(self) -> bool:
        """Return whether the API itself answers at the base URL."""
        return await account.answers(self._api)

    def accepted(self, job: LeasedJob) -> None:
        """Start from zero: the API took a job."""
        self._failures.reset()
        self._without_id.reset()
        self._pages.accepted(job.lease.job_id)
        self._held_in_a_row.pop(job.lease.run_id, None)
        self.record(job, is_bad=False)

    async def end_waiting(self, run_id: int) -> None:
        """End the wait of a run that sends again, unless it waits for something else than the API's submits.

        A fetch ends a wait for answers. A request that left before Redis was gone says nothing about Redis.
        """
        if not self._outage.is_on and self._limiter.is_available:
            await self._runs.end_waiting(run_id)

    def record(self, job: LeasedJob, *, is_bad: bool) -> None:
        """Record at the circuit breaker how a submit ended; bad: it may be paid, or not."""
        self._breaker.record(job.lease, Endpoint.SUBMIT, bad=is_bad)

    def record_failure(self, sent_at_ms: int) -> int:
        """Count a failure of the service; return how many are in a row."""
        return self._failures.record_failure(sent_at_ms, self._now_ms())

    def record_without_id(self, sent_at_ms: int) -> bool:
        """Count a submit without a request_id; return whether there are so many that the run has to pause."""
        if self._without_id.record_failure(sent_at_ms, self._now_ms()) < WITHOUT_ID_MAX:
            return False
        self._without_id.reset()
        return True

    def record_held(self, run_id: int) -> int:
        """Count a job that was held for a value of its line; return how many are in a row.

        From ALIKE_MIN on the count starts again, so that a run that is resumed pauses anew.
        """
        held = self._held_in_a_row.get(run_id, 0) + 1
        self._held_in_a_row[run_id] = held % ALIKE_MIN
        return held

    async def is_content_filtered(self, job: LeasedJob) -> bool:
        """Count a firewall page; return whether a filter refuses what this job contains.

        It does if the job got pages while others got through. Where no job is left without a page, a free
        POST shows whether the network is open; if it is, the failures before it count no more, so that the
        waits do not grow.
        """
        job_id, active_run = job.lease.job_id, self._runs.find(job.lease.run_id)
        if (
            not self._pages.record(job_id)
            and active_run is not None
            and active_run.has_accepted
            and self._pages.jobs_of(active_run.run.id) >= active_run.unsent
            and await account.takes_posts(self._api, job.model)
        ):
            self._pages.count(job_id)
            self._failures.reset()
        if not self._pages.is_filtered(job_id) or not await self.is_path_right():
            return False
        self._pages.forget(job_id)  # it is held now; a person may have it sent again
        return True
