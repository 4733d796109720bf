"""Hints are worth nothing: many times the same, out of order, for runs that never were."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from kombu import Connection
from live import RUN, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet


def test_the_same_hint_fifty_times_and_hints_for_nobody(fleet: Callable[..., Fleet]) -> None:
    """Every job is sent once; the workers live on."""
    its = fleet("--median-s", "0.4")
    host = its.host("a")
    write_jobs(host.folder / "jobs.jsonl", 150)
    host.worker("--processes", "2", "--beat")
    command = host.start(*RUN)
    host.reach(5, command)
    nodes = [node for (node,) in host.query("SELECT node FROM workers")]
    chance = random.Random(7)
    hints = [(node, task, run) for node in nodes for task in ("submit", "collect") for run in (1, 0, 999, -1)]
    with Connection(its.redis.url) as broker:
        queue = {node: broker.SimpleQueue(f"doorbell.{node}") for node in nodes}
        for node, task, run in chance.choices(hints, k=200):
            name, ident = f"runner.{task}", str(chance.getrandbits(64))
            headers = {"id": ident, "task": name, "lang": "py", "root_id": ident, "parent_id": None}
            embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
            queue[node].put([[run], {}, embed], headers=headers, serializer="json")
        strange = broker.SimpleQueue("sweep")
        strange.put({"not": "a task"}, serializer="json")

    assert command.ended() == 0
    assert host.findings(its.simulator) == []
    assert its.simulator.books()["accepted"] == 150
    assert host.query("SELECT COUNT(*) FROM workers WHERE ended_at_ms IS NOT NULL") == [(0,)]
