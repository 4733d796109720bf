"""The jobs that wait in a worker for their slots: each of them once, under the lease that holds."""

from __future__ import annotations

from runner.db.workers.leases import Lease, LeasedJob
from runner.engine.sending.leased_queue import LeasedQueue


def leased(job: int, gen: int) -> LeasedJob:
    """Make a pending job under a lease."""
    return LeasedJob(
        lease=Lease(job_id=job, gen=gen, attempt=1),
        model="grok-4.3",
        prompt_tokens=1,
        output_tokens_max=None,
        body_bytes=1,
        spent=0,
        extras=0,
        due_at_ms=0,
    )


def test_a_job_that_is_leased_again_waits_once() -> None:
    """Its lease ran out while it waited, or a clock was set ahead; both together would be paid twice."""
    queue = LeasedQueue()
    queue.add([leased(1, 1), leased(2, 1), leased(3, 1)])
    queue.add([leased(2, 2), leased(4, 1)])

    assert [(job.lease.job_id, job.lease.gen) for job in queue.jobs] == [(1, 1), (3, 1), (2, 2), (4, 1)]
