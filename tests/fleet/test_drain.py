"""Workers that drain: they finish what is in flight and end, and nothing is lost or sent twice."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING

from live_runner import has_ended, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet, Host
    from live_runner import Command

JOBS = 150
SLOW = ("--median-s", "1.0", "--submit-ms", "20")
# Leases of a worker that sends no heartbeat hold for 30 s at least.
TIMES = {"RUNNER_LEASE_S": "28", "RUNNER_READ_TIMEOUT_S": "20", "RUNNER_CONNECT_TIMEOUT_S": "5"}
LIVING = "SELECT node, pid FROM workers WHERE ended_at_ms IS NULL ORDER BY id"


def drained(host: Host, *words: str) -> str:
    """Run `workers drain` and return what it said."""
    command = host.start("workers", "drain", *words, "--yes")
    assert command.wait() == 0, command.output
    return command.output


def begun(made: Fleet, host: Host, *, accepted: int) -> Command:
    """Start a run and wait until the API has accepted so many of its jobs; it holds what comes later."""
    write_jobs(host.folder / "jobs.jsonl", JOBS)
    host.hold_above(accepted, made.simulator)
    command = host.start("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "none", "--tpm", "none")
    host.wait_for_accepted(accepted, command)
    return command


def test_a_drained_worker_ends_and_others_collect_its_answers(fleet: Callable[..., Fleet]) -> None:
    """Its parent does not start it again, and ends with 0 when all of its workers were drained."""
    made = fleet(*SLOW)
    first, other = made.host("a"), made.host("b")
    parent = first.worker("--processes", "2", "--beat")
    wait_until(lambda: first.workers() == 2, "both workers have started")
    nodes = [node for node, _ in first.query(LIVING)]
    command = begun(made, first, accepted=40)
    other.worker()
    said = drained(first, nodes[0])
    assert "1 worker to drain" in said
    assert "no other worker" not in said
    made.simulator.switch(hold_after=None)
    ended = f"SELECT COUNT(*) FROM workers WHERE node = '{nodes[0]}' AND ended_at_ms IS NOT NULL"
    wait_until(lambda: first.count(ended), "it has ended in order")
    (place,) = re.findall(r"-(\d)@", nodes[0])
    said = f"worker {place} was drained; it is not started again"
    wait_until(lambda: said in parent.output, "its parent says so")
    assert parent.process.poll() is None
    drained(other, nodes[1], "--reason", "the machine goes")

    assert parent.wait() == 0, parent.output
    assert "all workers were drained" in parent.output
    assert command.wait() == 0, command.output
    assert first.ledger_errors(made.simulator) == []
    assert made.simulator.books()["accepted"] == JOBS
    assert first.workers() == 3  # no process was started in their place
    events = first.query("SELECT kind, reason FROM operator_events WHERE kind <> 'team_limits' ORDER BY id")
    assert events == [("workers_drained", None), ("workers_drained", "the machine goes")]


def test_a_worker_that_is_killed_while_it_drains_costs_no_more_than_a_kill(
    fleet: Callable[..., Fleet],
) -> None:
    """It is not started again either; another worker takes over what it had, and every kill is counted."""
    made = fleet(*SLOW)
    first, other = made.host("a", **TIMES), made.host("b", **TIMES)
    parent = first.worker("--beat")
    ((node, pid),) = first.query(LIVING)
    command = begun(made, first, accepted=40)
    wait_until(lambda: first.count("SELECT COUNT(*) FROM jobs WHERE state = 'submitting'"), "some are sent")
    said = drained(first, node)
    assert "no other worker is alive" in said
    log = f"SELECT COUNT(*) FROM workers WHERE pid = {pid} AND draining_at_ms IS NOT NULL"
    assert first.count(log) == 1
    wait_until(lambda: "worker.draining" in parent.output, "it drains, and waits for its requests")
    assert first.query(f"SELECT ended_at_ms FROM workers WHERE pid = {pid}") == [(None,)]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: has_ended(pid), "it is gone")

    assert parent.wait() == 0, parent.output
    made.simulator.switch(hold_after=None)
    other.worker("--beat")
    assert command.wait() == 0, command.output
    assert first.ledger_errors(made.simulator, crashed=True) == []
    assert first.workers() == 2


def test_a_worker_of_a_new_start_works_again(fleet: Callable[..., Fleet]) -> None:
    """What was drained is the process, not its name or its machine."""
    made = fleet("--median-s", "0.2")
    host = made.host("a")
    parent = host.worker("--beat")
    assert drained(host, "--all")
    assert parent.wait() == 0, parent.output
    write_jobs(host.folder / "jobs.jsonl", 20)
    host.worker("--beat")
    command = host.start("run", "jobs.jsonl", "-o", "out.jsonl")

    assert command.wait() == 0, command.output
    assert host.ledger_errors(made.simulator) == []
    listing = host.start("workers", "--json")
    assert listing.wait() == 0
    states = [worker["state"] for worker in json.loads(listing.out.read_text())["workers"]]
    assert states == ["ended", "alive"]
