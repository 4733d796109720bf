"""Notifications carry nothing: the same many times, out of order, and those of older versions."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from kombu import Connection
from live_runner import RUN, wait_until, write_jobs

from runner.notify import queue_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet


def test_the_same_message_fifty_times_and_messages_of_older_versions(fleet: Callable[..., Fleet]) -> None:
    """Every job is sent once; the workers live on."""
    its = fleet("--median-s", "0.4")
    host = its.host("a")
    write_jobs(host.folder / "jobs.jsonl", 150)
    worker_log = host.worker("--processes", "2", "--beat").err
    wait_until(lambda: host.workers() == 2, "both workers have started")
    host.hold_above(5, its.simulator)
    command = host.start(*RUN)
    host.wait_for_accepted(5, command)
    nodes = [node for (node,) in host.query("SELECT node FROM workers")]
    chance = random.Random(7)
    arguments: tuple[list[int], ...] = ([], [1], [0], [999])  # older versions named a run
    messages = [
        (node, task, given) for node in nodes for task in ("submit", "collect") for given in arguments
    ]
    with Connection(its.redis.url) as broker:
        queue = {node: broker.SimpleQueue(queue_of(node)) for node in nodes}
        for node, task, given in chance.choices(messages, k=200):
            name, ident = f"runner.{task}", str(chance.getrandbits(64))
            headers = {"id": ident, "task": name, "lang": "py", "root_id": ident, "parent_id": None}
            embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
            queue[node].put([given, {}, embed], headers=headers, serializer="json")
        strange = broker.SimpleQueue("reaper")
        strange.put({"not": "a task"}, serializer="json")
    its.simulator.switch(hold_after=None)

    assert command.wait() == 0
    assert "TypeError" not in worker_log.read_text()
    assert host.ledger_errors(its.simulator) == []
    assert its.simulator.books()["accepted"] == 150
    assert host.query("SELECT COUNT(*) FROM workers WHERE ended_at_ms IS NOT NULL") == [(0,)]
