"""Jobs and the workers that ask for their answers, in virtual time: the real rules, no API and no waiting.

As in the workers, whoever is free takes a job that is due, each process learns from what it asked itself, and
what they learnt is put together once a second.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runner.rules.polling import PROBES, Latency, last_poll_age_s, next_poll_s, postpone_s

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED_EVERY_S: Final = 1.0
CLAIMED_WITHIN_S: Final = 0.02  # what comes due is claimed together with what comes due next
SIGMA: Final = 0.8
JOBS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`per_s` jobs are accepted a second, and the n-th is ready after `median_s(n)`, more or less."""

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
    """One job and what became of it."""

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
    scouts: set[int] = field(default_factory=set)

    def is_scout(self, number: int) -> bool:
        if len(self.scouts) < PROBES:
            self.scouts.add(number)
        return number in self.scouts

    def learn(self, after_s: float, by_s: float, *, ready: bool) -> None:
        self.latency = self.latency.update(after_s, by_s, ready=ready)
        self.new.append((after_s, by_s, ready))


class World:
    """Runs one case to its end."""

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
    def learnt_s(self) -> float:
        """The median that was learnt in the end."""
        for its in self._processes:
            self._share(its, math.inf)
        return math.exp(self._shared.log_s)

    def run(self) -> list[Job]:
        """Let every job be fetched."""
        due = [(job.accepted_at, number) for number, job in enumerate(self.jobs)]
        heapq.heapify(due)
        started: set[int] = set()
        while due:
            now, number = heapq.heappop(due)
            its = self._random.choice(self._processes)
            self._share(its, now)
            if number not in started:
                started.add(number)
                wait_s: float | None = self._next_s(its, number, 0.0)
            else:
                wait_s = self._claimed(its, number, now - self.jobs[number].accepted_at)
            if wait_s is not None:
                claimed_s = self._random.uniform(0, CLAIMED_WITHIN_S)
                heapq.heappush(due, (now + wait_s + claimed_s, number))
        return self.jobs

    def _claimed(self, its: _Process, number: int, age_s: float) -> float | None:
        """Hold a job that is due or ask for it; return when it is due again, None when it is fetched."""
        job, case = self.jobs[number], self._case
        hold = postpone_s(
            age_s,
            self._random.random(),
            latency=its.latency,
            is_probe=its.is_scout(number),
            charged=case.charged,
        )
        if hold > 0:
            job.held += 1
            return hold
        job.polls += 1
        ready = age_s >= job.ready_after
        after_s = last_poll_age_s(age_s, job.polls, latency=its.latency, charged=case.charged)
        its.learn(after_s, age_s, ready=ready)
        if ready:
            job.fetched_after = age_s
            return None
        return self._next_s(its, number, age_s)

    def _next_s(self, its: _Process, number: int, age_s: float) -> float:
        return next_poll_s(
            age_s,
            self._random.random(),
            latency=its.latency,
            is_probe=its.is_scout(number),
            charged=self._case.charged,
        )

    def _share(self, its: _Process, now: float) -> None:
        """Put together what this process learnt and what the others had shared."""
        if now - its.shared_at > SHARED_EVERY_S:
            for after_s, by_s, ready in its.new:
                self._shared = self._shared.update(after_s, by_s, ready=ready)
            its.latency, its.new, its.shared_at = self._shared, [], now
