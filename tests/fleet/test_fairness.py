"""Two runs share a worker and the limit: thirty jobs behind five thousand do not wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from live_runner import wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

MANY, FEW = 5_000, 30
RPM = 600
IN_ADVANCE = round(RPM / 60 * (0.4 + 0.3))  # what a worker reserves ahead, and the age of its data
ACCEPTED = "SELECT SUM(n) FROM run_counters WHERE kind = 'attempts' AND key = 'accepted' AND run_id = {}"
RUN_OF = "job_id IN (SELECT id FROM jobs WHERE run_id = {})"
MEANWHILE = (
    f"SELECT COUNT(*) FROM attempts WHERE {RUN_OF.format(1)}"
    f" AND sent_at_ms >= (SELECT MIN(sent_at_ms) FROM attempts WHERE {RUN_OF.format(2)})"
    f" AND sent_at_ms <= (SELECT MAX(sent_at_ms) FROM attempts WHERE {RUN_OF.format(2)})"
)


def test_a_small_run_beside_a_large_one(fleet: Callable[..., Fleet]) -> None:
    """From its first request on, the small run gets about half of those that the limit lets through.

    One worker sends both: of two, one that stands still would leave its share to the other.
    """
    made = fleet("--median-s", "0.3")
    host = made.host("a", RUNNER_TEAM_RPM=str(RPM))
    write_jobs(host.folder / "many.jsonl", MANY)
    write_jobs(host.folder / "few.jsonl", FEW)
    host.worker("--beat")
    assert host.start("load", "many.jsonl", "-q").wait() == 0
    assert host.start("start", "many", "--detach").wait() == 0
    wait_until(lambda: host.count(ACCEPTED.format(1)) > 60, "the large run is at work")
    assert host.start("run", "few.jsonl", "-o", "few.out.jsonl").wait() == 0

    assert 0 < host.count(MEANWHILE) <= 2 * FEW + IN_ADVANCE
    assert host.query("SELECT state FROM runs WHERE id = 1") == [("running",)]
