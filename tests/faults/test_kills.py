"""kill -9 at seeded points, of each kind of process and of all; the same command then goes on to the end."""

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
from live import NO_LIMITS, WITHIN_S, Home, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from live import Command

JOBS = 350
IN_FLIGHT = 8  # HTTP requests of a worker process; so few jobs get one process
Victim = Literal["worker", "engine", "command", "valkey", "all"]
HANDED_OUT = ("fetched", "garbage", "no_choices", "failed")
QUICK = (4,)  # the others are for `make soak`
VICTIMS: tuple[Victim, ...] = ("worker", "engine", "command", "valkey", "all")
SEEDS = [
    line.split()
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One point: who, once how many submissions are known to be accepted, and how long after that."""

    victim: Victim
    accepted: int
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A kill that was done, and when."""

    kill: Kill
    at_ms: int


def plan(seed: int) -> list[Kill]:
    """Give each victim one point, in an order of chance; points are apart, so that each finds work."""
    chance = random.Random(seed)
    points = sorted(chance.sample(range(5, 300, 12), len(VICTIMS)))
    order = chance.sample(VICTIMS, len(VICTIMS))
    return [
        Kill(victim=victim, accepted=point, after_s=chance.random() * 0.04)
        for victim, point in zip(order, points, strict=True)
    ]


def carry_out(home: Home, command: Command, kill: Kill) -> tuple[Done, Command]:
    """Wait for the point, kill, and start the same command again if it is gone."""
    home.reach(kill.accepted, command)
    time.sleep(kill.after_s)  # not for luck: the points are to lie between commits too
    at_ms = time.time_ns() // 1_000_000
    killed = home.kill() if kill.victim == "all" else home.kill(kill.victim)
    assert killed or kill.victim == "valkey", f"there was no {kill.victim}"
    if kill.victim in ("command", "all"):
        command = home.start()
    return Done(kill=kill, at_ms=at_ms), command


@dataclass(slots=True)
class Price:
    """What one kill cost: attempts in doubt, those of them that the API had taken, answers lost."""

    doubts: int = 0
    taken: int = 0
    lost: int = 0


def prices(home: Home, books: list[dict[str, Any]], done: list[Done]) -> list[Price]:
    """Charge every attempt that a crash spoilt to the first kill after it was marked, or handed out."""
    found = [Price() for _ in done]

    def charged(at_ms: float) -> Price:
        return next(price for price, one in zip(found, done, strict=True) if one.at_ms >= at_ms - 5)

    doubts = home.query(
        "SELECT j.custom_id, a.marked_at_ms FROM attempts a JOIN jobs j ON j.id = a.job_id"
        " WHERE a.outcome = 'ambiguous' AND a.error_code = 'process-ended' ORDER BY a.marked_at_ms"
    )
    known = {row[0] for row in home.query("SELECT request_id FROM attempts WHERE request_id IS NOT NULL")}
    stored = {row[0] for row in home.query("SELECT request_id FROM results")}
    taken = Counter(e["job"] for e in books if e["request_id"] not in known and e["reply"] == "ok")
    for name, marked_ms in doubts:
        price = charged(marked_ms)
        price.doubts += 1
        if taken[name]:
            taken[name] -= 1
            price.taken += 1
    for entry in books:
        if entry["outcome"] in HANDED_OUT and entry["request_id"] not in stored:
            charged(entry["fetched_at"] * 1000).lost += 1
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "words",
    [words if n in QUICK else pytest.param(words, marks=pytest.mark.soak) for n, words in enumerate(SEEDS)],
    ids=lambda words: words[0],
)
def test_a_run_survives_five_kills(words: list[str], tmp_path: Path) -> None:
    """Nothing is lost, nothing is twice in the output; kills cost at most what was in flight at each."""
    seed, flags = int(words[0]), words[1:]
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    pace = ("--median-s", "0.15", "--submit-ms", "40")
    with (
        Simulator(tmp_path, *NO_LIMITS, *pace, *flags, seed=seed) as simulator,
        Home(tmp_path, simulator) as home,
    ):
        command, done = home.start(), []
        for kill in plan(seed):
            one, command = carry_out(home, command, kill)
            done.append(one)
        code = command.ended(WITHIN_S)
        held_or_failed = home.count("SELECT COUNT(*) FROM jobs WHERE state IN ('held', 'failed')")
        costs = prices(home, simulator.books()["jobs"], done)
        for one, cost in zip(done, costs, strict=True):
            sys.stdout.write(
                f"seed {seed}: {one.kill.victim} killed at {one.kill.accepted} accepted: paid twice"
                f" {cost.taken + cost.lost} ({cost.doubts} in doubt, {cost.lost} answers lost)\n"
            )

        assert home.findings(simulator, crashed=True) == []
        assert code == (1 if held_or_failed else 0)
        # A lost answer shows seconds after its kill, maybe after the next one: so the sums are compared.
        sums = list(accumulate(cost.doubts + cost.lost for cost in costs))
        assert all(total <= IN_FLIGHT * kills for kills, total in enumerate(sums, 1)), sums
        wait_until(home.is_quiet, "no process outlives the command")
