"""Whether a claimed answer is asked for, right before it would be. Nothing is at the API's address here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from run_driver import claimed_job

from runner.rules.replies.after_fetch import NOT_ASKED
from runner.rules.replies.unreadable import OUTAGE_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtimes import OpenedWorker

    from runner.engine.collecting.fetch import Fetched

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def fetch(
    worker: OpenedWorker, *, is_probe: bool = False, is_charged: bool = False, ago_ms: int = -3_600_000
) -> Fetched:
    """Fetch an answer that was claimed `ago_ms` ago; by default its lease holds, however long this takes."""
    fetcher = worker.stages.collector._fetches._fetcher
    at_ms = worker.now_ms() - ago_ms
    return worker.run(fetcher.fetch(claimed_job(1, 0), at_ms, is_charged=is_charged, is_probe=is_probe))


def stop(worker: OpenedWorker) -> None:
    worker.shared.wakeups.is_stopping = True


def fill_disk(worker: OpenedWorker) -> None:
    worker.runtime.disk.write_failed(OSError(28, "no space left"))
    worker.runtime.disk._failed_until_s = math.inf  # however long the test takes


def begin_outage(worker: OpenedWorker) -> None:
    for job_id in range(OUTAGE_AFTER):
        worker.shared.outage.record_unreadable(claimed_job(job_id).lease, 0.5)


@pytest.mark.parametrize("change", [stop, fill_disk, begin_outage])
def test_an_answer_is_not_asked_for(worker: OpenedWorker, change: Callable[[OpenedWorker], None]) -> None:
    """A fetch would take an answer that this worker may not keep, or hit a page in its place."""
    change(worker)
    fetched = fetch(worker)
    assert (fetched.classification.code, fetched.reply) == (NOT_ASKED, None)


def test_a_fetch_that_is_late_is_not_sent(worker: OpenedWorker) -> None:
    """Its lease may not hold until the reply."""
    late_ms = worker.runtime.settings.start_within_ms + 1
    assert fetch(worker, ago_ms=late_ms).classification.code == NOT_ASKED


def test_a_charged_fetch_without_a_slot_is_not_sent(worker: OpenedWorker) -> None:
    """There is no Redis that could give one."""
    assert fetch(worker, is_charged=True).classification.code == NOT_ASKED


@pytest.mark.parametrize("is_outage", [False, True])
def test_an_answer_is_asked_for(worker: OpenedWorker, *, is_outage: bool) -> None:
    """By the probe in an outage, too. Nobody replies."""
    if is_outage:
        begin_outage(worker)
    fetched = fetch(worker, is_probe=is_outage)
    assert fetched.classification.code != NOT_ASKED
    assert fetched.reply is None
