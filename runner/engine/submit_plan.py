"""Which of the leased jobs may go now: pure decisions of the submit loop."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from runner.rules import retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.db.leases import LeasedJob

UNSENT_BYTES_MAX = 24 << 20  # bodies in memory that wait for a reply; a single job of any size always fits


def may_go_now(
    jobs: Sequence[LeasedJob], *, unreplied: int, unreplied_bytes: int, is_exclusive: bool
) -> list[LeasedJob]:
    """Return the first jobs that may be sent now.

    `unreplied`, `unreplied_bytes`: recorded attempts without a reply, and the bytes of their bodies;
    `is_exclusive`: one of them has to be alone.
    """
    if is_exclusive:
        return []
    return _fit_memory(_without_exclusive(jobs, unreplied), unreplied_bytes)


def is_last_try(job: LeasedJob) -> bool:
    """Return whether a job is held if the outcome of this attempt is unknown too."""
    return job.extras >= retry.AUTOMATIC_EXTRAS_MAX


def _without_exclusive(jobs: Sequence[LeasedJob], unreplied: int) -> list[LeasedJob]:
    """Return the jobs up to one on its last automatic retry, which goes alone.

    If it is what ended the process twice, no other job is in flight when it does so again.
    """
    if is_last_try(jobs[0]):
        return [] if unreplied else list(jobs[:1])
    return list(takewhile(lambda job: not is_last_try(job), jobs))


def _fit_memory(jobs: Sequence[LeasedJob], unreplied_bytes: int) -> list[LeasedJob]:
    """Return the first jobs whose bodies fit into UNSENT_BYTES_MAX, with those that wait for a reply."""
    bytes_held, count = unreplied_bytes, 0
    for job in jobs:
        bytes_held += job.body_bytes
        if bytes_held > UNSENT_BYTES_MAX and bytes_held > job.body_bytes:
            break
        count += 1
    return list(jobs[:count])
