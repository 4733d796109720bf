"""What to send next: which of the leased jobs go in one batch, and how many to lease for the next one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from runner.rules.sending import retry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HELD_BYTES_MAX: Final = 24 << 20  # bodies in memory; one job of any size always fits
CHUNK_FIRST: Final = 16
CHUNK_MAX: Final = 300
CHUNK_MIN: Final = 4


class QueuedJob(Protocol):
    """What a decision needs to know of a leased job."""

    @property
    def model(self) -> str:
        """Return the model that the job asks for."""

    @property
    def extras(self) -> int:
        """Return how many of its attempts may have been paid for nothing."""

    @property
    def body_bytes(self) -> int:
        """Return the size of its body."""


J = TypeVar("J", bound=QueuedJob)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendState:
    """What one process has sent and has no reply to yet.

    `unreplied`: recorded attempts without a reply. `held_bytes`: the bodies in memory, until their attempts
    are concluded. `is_exclusive`: one of them has to be alone. `should_probe`: the last requests failed, or
    the run waits for a service, so one request at a time finds out whether it is back.
    """

    unreplied: int
    held_bytes: int
    unreplied_max: int
    is_exclusive: bool
    should_probe: bool

    @property
    def must_wait(self) -> bool:
        """Return whether nothing may be sent before a reply comes."""
        return self.is_exclusive or (self.should_probe and self.unreplied > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(Generic[J]):
    """The jobs to send next, all of one bucket of the limiter; none if they have to wait for a reply."""

    bucket: str
    jobs: Sequence[J]


def plan_batch(queued: Sequence[J], buckets: Mapping[str, str], state: SendState) -> Batch[J]:
    """Return the first of the queued jobs that may go now; `queued` is not empty.

    `buckets` names the limiter's bucket of each model. Jobs of other buckets than the first one's wait for
    the next batch. A probe is one job, the one with the fewest extras: it may be lost.
    """
    ordered = by_extras(queued) if state.should_probe else queued
    bucket = buckets[ordered[0].model]
    if state.must_wait:
        return Batch(bucket=bucket, jobs=[])
    most = 1 if state.should_probe else state.unreplied_max - state.unreplied
    jobs = [job for job in ordered if buckets[job.model] == bucket][: max(most, 0)]
    return Batch(bucket=bucket, jobs=_fit_memory(_without_exclusive(jobs, state.unreplied), state.held_bytes))


def by_extras(queued: Iterable[J]) -> list[J]:
    """Return jobs without extras first: a job that is lost three times is held."""
    return sorted(queued, key=lambda job: job.extras)


def next_chunk(chunk: int, granted: int, *, is_all: bool) -> int:
    """Return how many jobs to lease at a time, after a batch got `granted` slots.

    Twice as many if it got all that it asked for, else not many more than slots come at a time: what is
    leased and not sent keeps other workers from it.
    """
    return min(CHUNK_MAX, chunk * 2) if is_all else max(CHUNK_MIN, min(chunk, 4 * granted))


def is_last_try(job: QueuedJob) -> bool:
    """Return whether a job is held if the outcome of this attempt is unknown too."""
    return job.extras >= retry.AUTOMATIC_EXTRAS_MAX


def _without_exclusive(jobs: Sequence[J], unreplied: int) -> list[J]:
    """Return the jobs up to one on its last automatic retry, which goes alone.

    If it is what ended the process twice, no other job is in flight when it does so again.
    """
    if jobs and is_last_try(jobs[0]):
        return [] if unreplied else list(jobs[:1])
    return list(takewhile(lambda job: not is_last_try(job), jobs))


def _fit_memory(jobs: Sequence[J], held_bytes: int) -> list[J]:
    """Return the first jobs whose bodies fit into HELD_BYTES_MAX, with those that wait for a reply."""
    bytes_held, count = held_bytes, 0
    for job in jobs:
        bytes_held += job.body_bytes
        if bytes_held > HELD_BYTES_MAX and bytes_held > job.body_bytes:
            break
        count += 1
    return list(jobs[:count])
