"""kill -9 of each kind of process, and of all, at seeded points; the same command then finishes the run."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from live_runner import Command, Role

JOBS = 350
IN_FLIGHT = 8  # HTTP requests of the one worker process that so few jobs get
Victim = Literal["worker", "engine", "command", "valkey", "all"]
DELIVERED = ("fetched", "no_choices", "failed")
QUICK = (4,)  # the others are for `make soak`
VICTIMS: tuple[Victim, ...] = ("worker", "engine", "command", "valkey", "all")
SEEDS = [
    line.split()
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A planned kill: the victim, the number of accepted submissions to wait for, and a delay after that."""

    victim: Victim
    accepted: int
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneKill:
    """A kill that was carried out, and its Unix time in ms."""

    kill: Kill
    at_ms: int


def plan(seed: int) -> list[Kill]:
    """Return one kill for each victim in random order, with enough work between them."""
    chance = random.Random(seed)
    points = sorted(chance.sample(range(5, 300, 12), len(VICTIMS)))
    order = chance.sample(VICTIMS, len(VICTIMS))
    return [
        Kill(victim=victim, accepted=point, after_s=chance.random() * 0.04)
        for victim, point in zip(order, points, strict=True)
    ]


def carry_out(
    home: LiveRunner, simulator: Simulator, command: Command, kill: Kill
) -> tuple[DoneKill, Command]:
    """Wait for the point, kill, and start the same command again if it was killed."""
    home.hold_above(kill.accepted, simulator)
    home.wait_for_accepted(kill.accepted, command)
    roles: tuple[Role, ...] = () if kill.victim == "all" else (kill.victim,)
    wait_until(lambda: home.pids(*roles), f"a {kill.victim} is there, maybe a new one")
    time.sleep(kill.after_s)  # so that some points are between two commits
    at_ms = time.time_ns() // 1_000_000
    home.kill(*roles)
    if kill.victim in ("command", "all"):
        command = home.start()
    return DoneKill(kill=kill, at_ms=at_ms), command


@dataclass(slots=True)
class KillCost:
    """What one kill cost."""

    # Attempts with an unknown outcome, and how many of them the API had accepted.
    unknown: int = 0
    accepted: int = 0
    # Results that were delivered and not stored.
    lost: int = 0


def costs_of_kills(home: LiveRunner, books: list[dict[str, Any]], done: list[DoneKill]) -> list[KillCost]:
    """Return the cost of each kill: a loss belongs to the first kill after the attempt or the delivery."""
    costs = [KillCost() for _ in done]

    def cost_at(at_ms: float) -> KillCost:
        before_kills = (cost for cost, kill in zip(costs, done, strict=True) if kill.at_ms >= at_ms - 5)
        return next(before_kills, costs[-1])  # the last one takes a moment

    unknown = home.query(
        "SELECT j.custom_id, a.marked_at_ms FROM attempts a JOIN jobs j ON j.id = a.job_id"
        " WHERE a.outcome = 'ambiguous' AND a.error_code = 'process-ended' ORDER BY a.marked_at_ms"
    )
    known = {row[0] for row in home.query("SELECT request_id FROM attempts WHERE request_id IS NOT NULL")}
    stored = {row[0] for row in home.query("SELECT request_id FROM results")}
    accepted = Counter(e["job"] for e in books if e["request_id"] not in known and e["reply"] == "ok")
    for name, recorded_ms in unknown:
        cost = cost_at(recorded_ms)
        cost.unknown += 1
        if accepted[name]:
            accepted[name] -= 1
            cost.accepted += 1
    for entry in books:
        if entry["outcome"] in DELIVERED and entry["request_id"] not in stored:
            cost_at(entry["fetched_at"] * 1000).lost += 1
    return costs


@pytest.mark.parametrize(
    "words",
    [words if n in QUICK else pytest.param(words, marks=pytest.mark.soak) for n, words in enumerate(SEEDS)],
    ids=lambda words: words[0],
)
def test_a_run_survives_five_kills(words: list[str], tmp_path: Path) -> None:
    """No job is lost or twice in the output; each kill costs at most what was in flight."""
    seed, flags = int(words[0]), words[1:]
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    pace = ("--median-s", "0.15", "--submit-ms", "40")
    with (
        Simulator(tmp_path, *NO_LIMITS, *pace, *flags, seed=seed) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        home.hold_above(0, simulator)
        command, done = home.start(), []
        for kill in plan(seed):
            done_kill, command = carry_out(home, simulator, command, kill)
            done.append(done_kill)
        simulator.switch(hold_after=None)
        code = command.wait()
        held_or_failed = home.count("SELECT COUNT(*) FROM jobs WHERE state IN ('held', 'failed')")
        costs = costs_of_kills(home, simulator.books()["jobs"], done)
        for one, cost in zip(done, costs, strict=True):
            sys.stdout.write(
                f"seed {seed}: {one.kill.victim} killed at {one.kill.accepted} accepted: paid twice"
                f" {cost.accepted + cost.lost} ({cost.unknown} unknown outcomes, {cost.lost} results lost)\n"
            )

        assert home.ledger_errors(simulator, crashed=True) == []
        assert code == (1 if held_or_failed else 0)
        # A lost result is noticed seconds after its kill, maybe after the next one: so the sums are compared.
        sums = list(accumulate(cost.unknown + cost.lost for cost in costs))
        assert all(total <= IN_FLIGHT * kills for kills, total in enumerate(sums, 1)), sums
        wait_until(home.has_no_processes, "no process outlives the command")
