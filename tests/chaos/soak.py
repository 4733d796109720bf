"""Seeded chaos: rounds of random troubles, each of which must end by itself with the ledger in order.

    make soak SECONDS=3600 SEED=7

A round: a run of some hundred jobs, twenty seconds of troubles one after the other, then calm. The run must
then finish without a person, but for a breaker that paused it. Seeds are printed; a round is repeated with
`--seed SEED --round N`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from chaos_worlds import Shared, World
from troubles import EMBEDDED, SHARED, befall

if TYPE_CHECKING:
    from live import Command

TROUBLES_S: Final = 20.0
CALM_S: Final = 150.0
DONE: Final = (0, 1)
PAUSED: Final = 8


def play(world: World, chance: random.Random) -> tuple[Counter[str], int, list[str]]:
    """Play one round; return the troubles, how often a person had to resume, and what is wrong."""
    seen: Counter[str] = Counter()
    command, resumed = world.run(), 0
    deadline = time.monotonic() + TROUBLES_S
    while time.monotonic() < deadline and not is_over(command):
        time.sleep(chance.uniform(0.2, 1.5))
        trouble = chance.choice(SHARED if isinstance(world, Shared) else EMBEDDED)
        seen[trouble.name] += 1
        befall(world, trouble, chance)
        world.keep_alive()
        if command.process.poll() not in (None, *DONE):
            resumed += command.process.poll() == PAUSED
            command = world.run()
    deadline = time.monotonic() + CALM_S
    while not is_over(command):
        if time.monotonic() > deadline:
            return seen, resumed, [f"it does not come to its end; it said: {command.said[-1500:]}"]
        if command.process.poll() is not None:
            resumed += command.process.poll() == PAUSED
            command = world.run()
        world.keep_alive()
        time.sleep(0.2)
    return seen, resumed, world.home.findings(world.simulator, crashed=True)


def is_over(command: Command) -> bool:
    """Say whether the command came to the end of its run."""
    return command.process.poll() in DONE


def tell(world: World, number: int, seen: Counter[str], resumed: int, wrong: list[str]) -> str:
    """Tell of a round in a few lines."""
    books = world.simulator.books()
    rows = world.home.query("SELECT key, SUM(n) FROM run_counters WHERE kind = 'extra' GROUP BY key")
    reasons = {key: int(n) for key, n in rows}
    told = ", ".join(f"{name} {n}" for name, n in sorted(seen.items()))
    return (
        f"round {number}, {world.form}: {world.jobs} jobs, {sum(seen.values())} troubles ({told})\n"
        f"  {books['accepted'] - world.jobs} extras (on record {reasons}), resumed {resumed} times,"
        f" {world.commands} commands; {'; '.join(wrong) or 'the ledger is in order'}"
    )


def one_round(seed: int, number: int, form: str) -> bool:
    """Play a round in a folder of its own, kept when anything was wrong; return whether all was well."""
    chance = random.Random(f"{seed}:{number}")
    kind = {"embedded": World, "shared": Shared}.get(form) or chance.choice([World, Shared])
    folder = Path(tempfile.mkdtemp(prefix="chaos", dir="/tmp"))
    with kind(folder, chance) as world:
        seen, resumed, wrong = play(world, chance)
        sys.stdout.write(tell(world, number, seen, resumed, wrong) + "\n")
        if wrong:
            kept = folder.with_name(f"{folder.name}-kept")
            shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("ballast", "*.sock"))
            sys.stdout.write(f"  everything is kept in {kept}\n")
    sys.stdout.flush()
    shutil.rmtree(folder, ignore_errors=True)
    return not wrong


def main() -> int:
    """Play rounds until the time is up; exit 1 when any was not in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 20))
    parser.add_argument("--round", type=int, help="play this round alone")
    parser.add_argument("--form", choices=["embedded", "shared"], help="[default: either, by chance]")
    given = parser.parse_args()
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    sys.stdout.write(f"seed {given.seed}, commit {commit.stdout.strip() or 'unknown'}\n")
    until, number, bad = time.monotonic() + given.seconds, given.round or 1, 0
    while True:
        bad += not one_round(given.seed, number, given.form)
        number += 1
        if given.round or time.monotonic() > until:
            break
    sys.stdout.write(f"{number - (given.round or 1)} rounds, {bad} not in order\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
