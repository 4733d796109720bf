"""Jobs and the workers that poll them in virtual time: the real polling rules, without API and waiting.

As in real workers, any process polls a job that is due, each process observes its own polls, and the
observations are merged once a second.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runner.rules.sending.polling import Latency, last_poll_age_s, next_poll_s, postpone_s
from runner.rules.sending.probes import PROBES

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED_EVERY_S: Final = 1.0
CLAIMED_WITHIN_S: Final = 0.02  # jobs that come due within this time are claimed together
SIGMA: Final = 0.8
JOBS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`per_s` jobs are accepted a second; the latency of the n-th is lognormal around `median_s(n)`."""

    median_s: Callable[[int], float]
    per_s: float
    jobs: int = JOBS
    processes: int = 2
    sigma: float = SIGMA
    known: Latency = field(default_factory=Latency)
    charged: bool = False
    seed: int = 7


@dataclass(slots=True)
class Job:
    """One job and process measured values."""

    accepted_at: float
    median_s: float
    ready_after: float
    polls: int = 0
    held: int = 0
    fetched_after: float = 0.0


@dataclass(slots=True)
class _Process:
    latency: Latency
    new: list[tuple[float, float, bool]] = field(default_factory=list)
    shared_at: float = 0.0
    probes: set[int] = field(default_factory=set)

    def is_probe(self, number: int) -> bool:
        if len(self.probes) < PROBES:
            self.probes.add(number)
        return number in self.probes

    def observe(self, after_s: float, by_s: float, *, ready: bool) -> None:
        self.latency = self.latency.update(after_s, by_s, ready=ready)
        self.new.append((after_s, by_s, ready))


class PollSimulation:
    """Runs one case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._random = random.Random(case.seed)
        self._shared = case.known
        self._processes = [_Process(case.known) for _ in range(case.processes)]
        self.jobs = [
            Job(
                accepted_at=number / case.per_s,
                median_s=case.median_s(number),
                ready_after=case.median_s(number) * self._random.lognormvariate(0, case.sigma),
            )
            for number in range(case.jobs)
        ]

    @property
    def estimated_s(self) -> float:
        """The estimated median at the end."""
        for process in self._processes:
            self._share(process, math.inf)
        return math.exp(self._shared.log_s)

    def run(self) -> list[Job]:
        """Poll until all jobs are fetched; return them."""
        due = [(job.accepted_at, number) for number, job in enumerate(self.jobs)]
        heapq.heapify(due)
        started: set[int] = set()
        while due:
            now, number = heapq.heappop(due)
            process = self._random.choice(self._processes)
            self._share(process, now)
            if number not in started:
                started.add(number)
                wait_s: float | None = self._next_s(process, number, 0.0)
            else:
                wait_s = self._claimed(process, number, now - self.jobs[number].accepted_at)
            if wait_s is not None:
                claimed_s = self._random.uniform(0, CLAIMED_WITHIN_S)
                heapq.heappush(due, (now + wait_s + claimed_s, number))
        return self.jobs

    def _claimed(self, process: _Process, number: int, age_s: float) -> float | None:
        """Defer or poll a job that is due; return seconds until it is due again, None when it is fetched."""
        job, case = self.jobs[number], self._case
        hold = postpone_s(
            age_s,
            self._random.random(),
            latency=process.latency,
            is_probe=process.is_probe(number),
            charged=case.charged,
        )
        if hold > 0:
            job.held += 1
            return hold
        job.polls += 1
        ready = age_s >= job.ready_after
        after_s = last_poll_age_s(age_s, job.polls, latency=process.latency, charged=case.charged)
        process.observe(after_s, age_s, ready=ready)
        if ready:
            job.fetched_after = age_s
            return None
        return self._next_s(process, number, age_s)

    def _next_s(self, process: _Process, number: int, age_s: float) -> float:
        return next_poll_s(
            age_s,
            self._random.random(),
            latency=process.latency,
            is_probe=process.is_probe(number),
            charged=self._case.charged,
        )

    def _share(self, process: _Process, now: float) -> None:
        """Merge the observations of this process with those that the others have shared."""
        if now - process.shared_at > SHARED_EVERY_S:
            for after_s, by_s, ready in process.new:
                self._shared = self._shared.update(after_s, by_s, ready=ready)
            process.latency, process.new, process.shared_at = self._shared, [], now
