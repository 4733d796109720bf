"""When the next poll is due, and which polls teach how long answers take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from run_driver import claimed_job

from runner.rules.sending.probes import PROBES

if TYPE_CHECKING:
    from runtimes import OpenedWorker

    from runner.db.workers.leases import ClaimedJob

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MODEL: Final = "grok-4.3"
AGE_S: Final = 40.0
FIRST: Final = 1 << 32
MANY: Final = 100  # observations: more than an estimate needs to move


def job(worker: OpenedWorker, job_id: int = FIRST, age_s: float = AGE_S) -> ClaimedJob:
    """Return a claimed job that was accepted so long ago."""
    return claimed_job(job_id, worker.now_ms() - int(age_s * 1000))


def observe_ready(worker: OpenedWorker, claimed: ClaimedJob) -> None:
    """Observe many polls that found the answer of a job."""

    async def many() -> None:
        for _ in range(MANY):
            worker.shared.schedule.observe(claimed, is_ready=True)

    worker.run(many())


def postponed_s(worker: OpenedWorker, claimed: ClaimedJob) -> float:
    """Return the longest of many waits: some polls are not postponed, by chance."""
    return max(worker.shared.schedule.postpone_s(claimed) for _ in range(MANY))


def test_only_sampled_jobs_teach_the_latency(worker: OpenedWorker) -> None:
    """All polls of a job or none, so that the sample is not biased."""
    estimates = worker.shared.shared_estimates
    before = estimates.cached_latency(MODEL)
    estimates._sample_every[MODEL] = 2

    observe_ready(worker, job(worker, FIRST + 1))
    assert estimates.cached_latency(MODEL) == before

    observe_ready(worker, job(worker, FIRST))
    assert estimates.cached_latency(MODEL) != before


def test_the_first_jobs_of_a_model_measure_its_latency(worker: OpenedWorker) -> None:
    """The polls of the others are postponed meanwhile."""
    assert [postponed_s(worker, job(worker, FIRST + n, age_s=1.0)) for n in range(PROBES)] == [0.0] * PROBES
    assert postponed_s(worker, job(worker, FIRST + PROBES, age_s=1.0)) > 0


def test_a_poll_is_postponed_while_its_answer_is_unlikely(worker: OpenedWorker) -> None:
    """By what was learnt since it was planned. A job of unknown age is asked for: the clock was set back."""
    observe_ready(worker, job(worker, age_s=600.0))

    assert postponed_s(worker, job(worker, age_s=1.0)) > 0
    assert postponed_s(worker, job(worker, age_s=600.0)) == 0.0
    assert postponed_s(worker, job(worker, age_s=-3_600.0)) == 0.0
