"""Three promises in figures: the budget's bound, fair sharing of a limit, and what kill -9 costs.

    python tests/bench/promises.py --repeat 5
    python tests/bench/promises.py --repeat 5 --tree ../another-checkout --only kills

Everything goes through the command line of the tree that is named (by default, of this one) and its `.venv`;
SQLite, a private engine, the simulator of the same tree.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKERS: Final = "2"
WITHIN_S: Final = 600.0
USD: Final = 10**10  # ticks

BUDGET_JOBS, BUDGET_USD = 240, 0.14  # about half of what all of them cost
BUDGET_PACE: Final = ("--median-s", "0.1", "--submit-ms", "10")
UNREADABLE: Final = ("garbage=0.01", "lost=0.01", "500_after=0.01")  # possible costs
MODELS: Final = ("grok-4.3", "grok-4.6", "grok-4.20-non-reasoning")
EFFORTS: Final = ("low", "medium", "high", "xhigh")

FEW, MANY = 30, 10_000
FAIR_RPM: Final = 600
FAIR_MEDIAN_S: Final = 0.3

KILL_JOBS: Final = 1_500
KILL_FROM, KILL_TO = 0.2, 0.6  # of the jobs are accepted when everything is killed
KILL_PACE: Final = ("--median-s", "0.1", "--submit-ms", "5")


def write_varied(path: Path, count: int, seed: int) -> None:
    """Write jobs whose answers differ in price, from a hundredth of a cent to a cent."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            model = chance.choice(MODELS)
            words = "word " * round(chance.lognormvariate(4, 1.2))
            line: dict[str, Any] = {"id": f"j-{number:04d}", "model": model, "prompt": f"{number} {words}"}
            if model == "grok-4.6":
                line["reasoning_effort"] = chance.choice(EFFORTS)
            file.write(json.dumps(line) + "\n")


def budget(folder: Path, seed: int) -> tuple[float, float]:
    """Run until the budget is used; return the known plus possible cost and the bill, both minus the budget.

    In percent of the budget: negative where some of it was left.
    """
    write_varied(folder / "jobs.jsonl", BUDGET_JOBS, seed)
    faults = [word for fault in UNREADABLE for word in ("--fault", fault)]
    with (
        Simulator(folder, *NO_LIMITS, *BUDGET_PACE, *faults, seed=seed) as simulator,
        LiveRunner(folder, simulator, RUNNER_WORKERS=WORKERS) as home,
    ):
        command = home.start(*RUN, "--budget", str(BUDGET_USD))
        code = command.wait(WITHIN_S)
        assert code == 6, f"the budget was not reached (exit {code}):\n{command.output}"
        cost = json.loads((folder / "out.summary.json").read_bytes())["cost"]
        assert cost["unknown_jobs"] == 0
        billed_ticks = simulator.books()["ticks_accepted"]
    told_ticks = cost["reported_ticks"] + cost["estimated_ticks"] + cost["possible_extra_ticks"]
    bound_ticks = BUDGET_USD * USD
    return 100 * (told_ticks / bound_ticks - 1), 100 * (billed_ticks / bound_ticks - 1)


def fairness(folder: Path, seed: int) -> tuple[float, float]:
    """Return the seconds from start to end of a small run: alone, and beside a large one; workers are up."""
    return _small_run(folder / "alone", seed, many=0), _small_run(folder / "beside", seed, many=MANY)


def _small_run(folder: Path, seed: int, *, many: int) -> float:
    folder.mkdir()
    write_jobs(folder / "few.jsonl", FEW)
    with (
        Simulator(
            folder, "--median-s", str(FAIR_MEDIAN_S), "--rpm", str(FAIR_RPM), "--tpm", "none", seed=seed
        ) as simulator,
        LiveRunner(folder, simulator, RUNNER_WORKERS=WORKERS, RUNNER_TEAM_RPM=str(FAIR_RPM)) as home,
    ):
        if not many:  # one answer that is out for hours keeps the workers at work, too
            simulator.switch(median_s=36_000)
        write_jobs(folder / "other.jsonl", many or 1, system="The other run.")
        other = home.start("run", "other.jsonl", "-o", "other.out.jsonl", "-q")
        home.wait_for_accepted(min(many, 2 * FAIR_RPM // 60) or 1, other)
        simulator.switch(median_s=FAIR_MEDIAN_S)
        small = home.start("run", "few.jsonl", "-o", "few.out.jsonl", "--json")
        assert small.wait(WITHIN_S) == 0, small.output
        timing = json.loads(small.out.read_bytes())["timing"]
    started, finished = (datetime.fromisoformat(timing[name]) for name in ("started_at", "finished_at"))
    return (finished - started).total_seconds()


def kills(folder: Path, seed: int) -> tuple[int, int, int]:
    """Kill all processes at full speed, run the command again; return extras paid, jobs lost, jobs twice."""
    chance = random.Random(seed)
    write_jobs(folder / "jobs.jsonl", KILL_JOBS)
    with (
        Simulator(folder, *NO_LIMITS, *KILL_PACE, seed=seed) as simulator,
        LiveRunner(folder, simulator, RUNNER_WORKERS=WORKERS) as home,
    ):
        home.wait_for_accepted(round(KILL_JOBS * chance.uniform(KILL_FROM, KILL_TO)), home.start())
        time.sleep(chance.random() * 0.04)  # some kills fall between two commits
        assert home.kill(), "no process was running"
        again = home.start()
        assert again.wait(WITHIN_S) == 0, again.output
        extras = simulator.books()["accepted"] - KILL_JOBS
        wait_until(home.has_no_processes, "no process outlives the command")
    names: Counter[str] = Counter()
    for name in ("out.jsonl", "out.errors.jsonl"):
        names.update(json.loads(line)["custom_id"] for line in (folder / name).read_bytes().splitlines())
    return extras, KILL_JOBS - len(names), sum(names.values()) - len(names)


def main() -> None:
    """Measure, and print a line or two for each promise."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each [3]")
    words.add_argument("--seed", type=int, default=1, help="of the first run [1]")
    words.add_argument("--tree", type=Path, default=Path(__file__).parents[2], help="the checkout to measure")
    words.add_argument("--only", choices=("budget", "fairness", "kills"), help="one of the three")
    given = words.parse_args()
    sys.executable = str(given.tree.resolve() / ".venv" / "bin" / "python")  # the commands' interpreter
    os.environ.pop("PYTHONPATH", None)

    def results(measure: Callable[[Path, int], Any]) -> Iterator[Any]:
        for seed in range(given.seed, given.seed + given.repeat):
            with tempfile.TemporaryDirectory(prefix="promises") as folder:
                yield measure(Path(folder), seed)

    if given.only in (None, "budget"):
        told, billed = zip(*results(budget), strict=True)
        _print(
            "budget", f"known + possible cost over the budget: largest {max(told):+.2f} %", told, "{:+.2f}"
        )
        _print("budget", f"billed over the budget: largest {max(billed):+.2f} %", billed, "{:+.2f}")
    if given.only in (None, "fairness"):
        alone, beside = zip(*results(fairness), strict=True)
        ratio = statistics.median(beside) / statistics.median(alone)
        about = f"{FEW} jobs at {FAIR_RPM} RPM"
        _print("fairness", f"{about}, alone: median {statistics.median(alone):.2f} s", alone, "{:.2f}")
        what = f"{about}, beside {MANY:,}: median {statistics.median(beside):.2f} s, {ratio:.2f} x"
        _print("fairness", what, beside, "{:.2f}")
    if given.only in (None, "kills"):
        extras, lost, twice = zip(*results(kills), strict=True)
        what = (
            f"kill -9 of everything: extras paid at most {max(extras)}, lost {sum(lost)}, twice {sum(twice)}"
        )
        _print("kills", what, extras, "{}")


def _print(name: str, what: str, values: tuple[float, ...], form: str) -> None:
    each = " ".join(form.format(value) for value in values)
    sys.stdout.write(f"{name:<9} {what}; each: {each}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
