"""Two runs share workers and limit: ten jobs behind a hundred thousand do not wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from live import wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

MANY, FEW = 100_000, 30
RPM = 1_800
IN_ADVANCE = round(RPM / 60 * (0.4 + 0.4 + 0.3))  # the horizon of two pumps, and how old what they see is
TAKEN = "SELECT SUM(n) FROM run_counters WHERE kind = 'attempts' AND key = 'accepted' AND run_id = {}"
RUN_OF = "job_id IN (SELECT id FROM jobs WHERE run_id = {})"
MEANWHILE = (
    f"SELECT COUNT(*) FROM attempts WHERE {RUN_OF.format(1)}"
    " AND sent_at_ms >= (SELECT started_at_ms FROM runs WHERE id = 2)"
    f" AND sent_at_ms <= (SELECT MAX(sent_at_ms) FROM attempts WHERE {RUN_OF.format(2)})"
)


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
    limits = ("--rpm", str(RPM), "--tpm", "none")
    assert host.start("run", "few.jsonl", "-o", "few.out.jsonl", *limits).ended() == 0

    assert 0 < host.count(MEANWHILE) <= 2 * FEW + IN_ADVANCE
    assert host.query("SELECT state FROM runs WHERE id = 1") == [("running",)]
