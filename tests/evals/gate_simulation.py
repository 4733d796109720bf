"""Simulated histories of a suite: nights are drawn, and the shipped gate says what it says of each.

`python -m tests.evals.gate_simulation --histories 1000 --cell mixed-200-3` measures one cell, without
`--cell` all; `--write` keeps the numbers in gate_rates.json, from which docs/evals.md has its table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from runner.rules.evaluation.gate.night_gate import GateOutcome, no_drop
from runner.rules.evaluation.gate.pool import POOL_LEAST, POOL_MOST
from runner.rules.evaluation.gate.score_sums import ScoreSums, paired_items
from runner.rules.evaluation.gate.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ALPHA: Final = 1 / 90
NIGHTS: Final = 90
SHIFT: Final = 0.016  # of a night's rates, where the service has noise of its own
DROP: Final = 0.05
RATES_FILE: Final = Path(__file__).with_name("gate_rates.json")


class Cell(NamedTuple):
    """One kind of suite. `mix`: hard, easy or mixed items; `shift`: the noise of its nights."""

    mix: str
    items: int
    epochs: int
    shift: float

    @property
    def name(self) -> str:
        """Return the name of the cell, such as mixed-200-3 or mixed-200-3-noise."""
        return f"{self.mix}-{self.items}-{self.epochs}" + ("-noise" if self.shift else "")


CELLS: Final = [
    Cell(mix, items, epochs, shift)
    for mix in ("hard", "easy", "mixed")
    for items in (30, 200)
    for epochs in (1, 3)
    for shift in (0.0, SHIFT)
]
DROP_CELL: Final = Cell("mixed", 200, 3, 0.0)


@dataclass
class History:
    """Nights of one suite; the noise of a night, where there is some, is that of both measurements."""

    cell: Cell
    rates: NDArray[np.float64]
    chance: np.random.Generator
    pool: deque[tuple[int, NDArray[np.int64]]] = field(default_factory=deque)
    past_z: list[float] = field(default_factory=list)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    measured: list[list[int]] = field(default_factory=list)  # of the last night, by measurement
    covered: int = 0
    recent_z: list[float] = field(default_factory=list)

    def night(self, drop: float = 0.0) -> Verdict:
        """Measure a night, let the gate decide, and put it into the pool unless it has regressed."""
        cell = self.cell
        change = (self.chance.normal(0, cell.shift) if cell.shift else 0.0) - drop
        times, measured = 1, self._measured(change)
        self.measured = [measured.tolist()]
        verdict = Verdict.NO_BASELINE
        if len(self.pool) >= POOL_LEAST:
            outcome = self._outcome(measured, None)
            if outcome.verdict is Verdict.MEASURE_AGAIN:
                repeated = self._measured(change)
                self.measured.append(repeated.tolist())
                outcome = self._outcome(measured, measured + repeated)
                times, measured = 2, measured + repeated
            self._count(outcome)
            verdict = outcome.verdict
        if verdict is not Verdict.REGRESSED:
            self.pool.append((times, measured))
            if len(self.pool) > POOL_MOST:
                self.pool.popleft()
        self.verdicts[verdict] += 1
        return verdict

    def _outcome(self, first: NDArray[np.int64], both: NDArray[np.int64] | None) -> GateOutcome:
        """Return what the gate says."""
        base = self._side(sum(times for times, _ in self.pool), sum(sums for _, sums in self.pool))
        return no_drop(
            paired_items(self._side(1, first), base),
            None if both is None else paired_items(self._side(2, both), base),
            self.past_z,
            pool_nights=len(self.pool),
            alpha=ALPHA,
        )

    def _side(self, times: int, sums: Any) -> ScoreSums:
        successes = sums.tolist()
        return ScoreSums([self.cell.epochs * times] * len(successes), successes, successes)

    def _count(self, outcome: GateOutcome) -> None:
        """Count whether the interval holds the true change, and keep z as what nights tell of noise.

        Alarms in a row count once, and not before a night without one has followed, as in the report.
        """
        assert outcome.difference is not None
        assert outcome.first_z is not None
        low, high = outcome.difference.interval()
        self.covered += low <= 0 <= high
        self.recent_z.append(outcome.first_z)
        if outcome.verdict is not Verdict.REGRESSED:
            self.past_z += [self.recent_z[0], *self.recent_z[1:][-1:]]
            self.recent_z = []

    def _measured(self, change: float) -> NDArray[np.int64]:
        """Return how many answers of each item are right."""
        return self.chance.binomial(self.cell.epochs, np.clip(self.rates + change, 0, 1))


def rates_of(cell: Cell, chance: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each item is answered rightly: a hard suite, an easy one, or a mixed one."""
    if cell.mix != "mixed":
        return np.full(cell.items, 0.03 if cell.mix == "hard" else 0.98)
    draws = chance.random(cell.items)
    return np.where(draws < 0.6, 0.98, np.where(draws < 0.75, 0.03, chance.random(cell.items)))


def histories(cell: Cell, count: int, purpose: str = "") -> Iterator[History]:
    """Yield histories that have not begun, each with items and a chance of its own."""
    for number in range(count):
        chance = np.random.default_rng([*f"{cell.name}{purpose}".encode(), number])
        yield History(cell, rates_of(cell, chance), chance)


def unchanged(cell: Cell, count: int) -> dict[str, float]:
    """Return the alarms in a history of unchanged nights, and the share of intervals that hold no change."""
    alarms = covered = 0
    for history in histories(cell, count):
        for _ in range(NIGHTS):
            history.night()
        alarms += history.verdicts[Verdict.REGRESSED]
        covered += history.covered
    return {
        "histories": count,
        "alarms": alarms / count,
        "covered": covered / (count * (NIGHTS - POOL_LEAST)),
    }


def dropped(count: int) -> dict[str, float]:
    """Return how often a drop of 5 points is called in the first night, and within three."""
    first = within = begun = 0
    for history in histories(DROP_CELL, count, "drop"):
        for _ in range(30):
            history.night()
        if history.verdicts[Verdict.REGRESSED]:
            continue  # alarmed without a drop
        begun += 1
        verdicts = [history.night(DROP) for _ in range(3)]
        first += verdicts[0] is Verdict.REGRESSED
        within += Verdict.REGRESSED in verdicts
    return {"histories": begun, "first": first / begun, "within_three": within / begun}


def keep(name: str, rates: dict[str, float]) -> None:
    """Keep the numbers of one cell in gate_rates.json."""
    kept = json.loads(RATES_FILE.read_text("utf-8")) if RATES_FILE.exists() else {}
    kept[name] = {key: round(number, 4) for key, number in rates.items()}
    RATES_FILE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")


def main(words: list[str]) -> None:
    """Measure cells and print their numbers; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=50)
    parser.add_argument("--cell", action="append", choices=[*(cell.name for cell in CELLS), "drop"])
    parser.add_argument("--write", action="store_true")
    flags = parser.parse_args(words)
    runs = {cell.name: partial(unchanged, cell) for cell in CELLS} | {"drop": dropped}
    for name in flags.cell or runs:
        rates = runs[name](flags.histories)
        sys.stdout.write(f"{name} {rates}\n")
        sys.stdout.flush()
        if flags.write:
            keep(name, rates)


if __name__ == "__main__":
    main(sys.argv[1:])
