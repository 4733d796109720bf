"""Two runs share workers and limit: ten jobs behind a hundred thousand do not wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from live import wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

MANY, FEW = 100_000, 10
RPM = 1_800
TAKEN = "SELECT SUM(n) FROM run_counters WHERE kind = 'attempts' AND key = 'accepted' AND run_id = {}"


@pytest.mark.timeout(240)
def test_a_small_run_beside_a_large_one(fleet: Callable[..., Fleet]) -> None:
    """Counted in requests, which the limit lets through one by one: with a fair share, the small run takes
    twice as many of them as alone; three times is allowed, and what a pump had taken in advance.
    """
    its = fleet("--median-s", "0.3")
    host = its.host("a")
    write_jobs(host.folder / "many.jsonl", MANY)
    write_jobs(host.folder / "few.jsonl", FEW)
    host.worker("--processes", "2", "--beat")
    assert host.start("load", "many.jsonl", "-q").ended(120) == 0
    host.change(f"UPDATE runs SET options = jsonb_set(options::jsonb, '{{rpm}}', '{RPM}')::text")
    assert host.start("start", "many", "--detach").ended() == 0
    wait_until(lambda: host.count(TAKEN.format(1)) > 60, "the large run is at work")
    before = host.count(TAKEN.format(1))
    limits = ("--rpm", str(RPM), "--tpm", "none")
    small = host.start("run", "few.jsonl", "-o", "few.out.jsonl", *limits)
    wait_until(lambda: host.count(TAKEN.format(2)) > 0 or small.process.poll(), "the small run is at work")
    began = host.count(TAKEN.format(1))
    wait_until(lambda: host.count(TAKEN.format(2)) >= FEW, "all of the small run is sent")
    meanwhile = host.count(TAKEN.format(1)) - began

    assert small.ended() == 0
    assert before > 0
    assert meanwhile <= 2 * FEW + RPM / 60 * 0.4 * 2
    assert host.query("SELECT state FROM runs WHERE id = 1") == [("running",)]
