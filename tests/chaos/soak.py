"""Seeded chaos: rounds of random faults, after which each run must finish and the ledger find no error.

    make soak SECONDS=3600 SEED=7

A round: a run of some hundred jobs, twenty seconds of faults and of an operator's commands one after the
other, then none. The run must then finish without a person, except that a pause is resumed, and the trail
must tell the commands. Seeds are printed; repeat a round with `--seed SEED --round N`.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from chaos_faults import EMBEDDED, SHARED, inject
from chaos_operator import Operator, operator_faults, trail_errors
from chaos_setups import EmbeddedSetup, SharedSetup

if TYPE_CHECKING:
    from live_runner import Command

FAULTS_S: Final = 20.0
CALM_S: Final = 150.0
DONE: Final = (0, 1)
PAUSED: Final = 8


def play(setup: EmbeddedSetup, chance: random.Random) -> tuple[Counter[str], int, list[str]]:
    """Run one round; return the faults by name, how often the run was resumed, and what is wrong."""
    counts: Counter[str] = Counter()
    command, resumed, operator = setup.run(), 0, Operator()
    is_shared = isinstance(setup, SharedSetup)
    faults = (*(SHARED if is_shared else EMBEDDED), *operator_faults(operator, is_shared=is_shared))
    deadline = time.monotonic() + FAULTS_S
    while time.monotonic() < deadline and not is_over(command):
        time.sleep(chance.uniform(0.2, 1.5))
        fault = chance.choice(faults)
        counts[fault.name] += 1
        inject(setup, fault, chance)
        setup.keep_alive()
        if command.process.poll() not in (None, *DONE):
            resumed += command.process.poll() == PAUSED
            command = setup.run()
    deadline = time.monotonic() + CALM_S
    while not is_over(command):
        if time.monotonic() > deadline:
            return counts, resumed, [f"the run does not end; output: {command.output[-1500:]}"]
        if command.process.poll() is not None:
            resumed += command.process.poll() == PAUSED
            command = setup.run()
        setup.keep_alive()
        time.sleep(0.2)
    try:
        wrong = setup.home.ledger_errors(setup.simulator, crashed=True)
        return counts, resumed, wrong + trail_errors(setup, operator.given)
    except (OSError, sqlite3.Error) as error:
        said = f"the command ended with {command.process.poll()}; output: {command.output[-1500:]}"
        return counts, resumed, [f"the ledger cannot be read: {error!r}; {said}"]


def is_over(command: Command) -> bool:
    """Return whether the command has ended because its run has."""
    return command.process.poll() in DONE


def report(setup: EmbeddedSetup, number: int, counts: Counter[str], resumed: int, wrong: list[str]) -> str:
    """Return the report of a round, a few lines."""
    books = setup.simulator.books()
    rows = setup.home.query("SELECT key, SUM(n) FROM run_counters WHERE kind = 'extra' GROUP BY key")
    reasons = {key: int(n) for key, n in rows}
    by_name = ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))
    return (
        f"round {number}, {setup.form}: {setup.jobs} jobs, {sum(counts.values())} faults ({by_name})\n"
        f"  {books['accepted'] - setup.jobs} extras (on record {reasons}), resumed {resumed} times,"
        f" {setup.commands} commands; {'; '.join(wrong) or 'the ledger is in order'}"
    )


def one_round(seed: int, number: int, form: str) -> bool:
    """Run a round in a new folder, which is kept when anything is wrong; return whether all is right."""
    chance = random.Random(f"{seed}:{number}")
    kind = {"embedded": EmbeddedSetup, "shared": SharedSetup}.get(form) or chance.choice(
        [EmbeddedSetup, SharedSetup]
    )
    folder = Path(tempfile.mkdtemp(prefix="chaos", dir="/tmp"))
    with kind(folder, chance) as setup:
        counts, resumed, wrong = play(setup, chance)
        sys.stdout.write(report(setup, number, counts, resumed, wrong) + "\n")
        if wrong:
            kept = folder.with_name(f"{folder.name}-kept")
            shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("ballast", "*.sock"))
            sys.stdout.write(f"  all files are kept in {kept}\n")
    sys.stdout.flush()
    shutil.rmtree(folder, ignore_errors=True)
    return not wrong


def main() -> int:
    """Run rounds until the time is up; return 1 when any of them was wrong."""
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
