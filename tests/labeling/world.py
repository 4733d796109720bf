"""One state folder and its simulator, with several tables that are labeled at the same time."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

import ledger
import ledger_facts
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until
from made_tables import KINDS, make_table
from table_checks import wrong_of_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from live_runner import Command
    from made_tables import MadeTable

ANSWER_FAULTS: Final = ("invalid", "fenced", "prose", "two_objects", "cut_json")
CALL_FAULTS: Final = (
    "submit:429", "submit:503", "submit:500_after", "submit:reset_after", "fetch:cut", "fetch:lost",
    "fetch:html200", "fetch:trunc200", "failed", "no_choices",
)  # fmt: skip
# Of other laws than these, the output of a job file is part.
LAWS: Final = tuple(law for law in ledger.LAWS if law not in (ledger.output_files, ledger.bytes_kept))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Tables with the live parts that label them."""

    folder: Path
    tables: list[MadeTable]
    simulator: Simulator
    home: LiveRunner
    chance: random.Random

    def label_all(self, *, kills: int) -> None:
        """Label all tables, one command each; kill -9 all processes `kills` times and begin again."""
        commands = self._start_all()
        for _ in range(kills):
            goal = 1 + self.home.accepted() + self.chance.randint(0, 6 * len(self.tables) // kills)
            self._wait_for_accepted(goal, commands)
            self.home.kill()
            commands = self._start_all()
        for table, command in zip(self.tables, commands, strict=True):
            code = command.wait()
            assert code in (0, 1), f"{table.name}: exit code {code}\n{command.output}"

    def wrong(self, *, crashed: bool) -> list[str]:
        """Return what is wrong with the outputs, the database and the books."""
        books = self.simulator.books()
        found = [error for table in self.tables for error in wrong_of_table(table)]
        for number, table in enumerate(self.tables):
            found += [
                f"{table.name}: {error}" for error in self._ledger(table, number, books, crashed=crashed)
            ]
        return found + list(self._sums(books, crashed=crashed)) + list(self._prompts())

    def _start_all(self) -> list[Command]:
        words = ("--skip-bad", "--yes", *NO_LIMITS)
        return [self.home.start("label", table.recipe.name, *words) for table in self.tables]

    def _wait_for_accepted(self, goal: int, commands: list[Command]) -> None:
        def is_reached() -> bool:
            return self.home.accepted() >= goal or all(one.process.poll() is not None for one in commands)

        wait_until(is_reached, f"{goal} submissions are accepted, or all is done")

    def _run_id(self, table: MadeTable) -> int:
        ((run_id,),) = self.home.query(f"SELECT id FROM runs WHERE name = '{table.name}'")
        return int(run_id)

    def _ledger(
        self, table: MadeTable, number: int, books: dict[str, Any], *, crashed: bool
    ) -> Iterator[str]:
        """Yield what the ledger finds in one run; the books are cut down to its submissions."""
        folder = self.folder / f"ledger-{number}"
        folder.mkdir()
        stem = table.output.name.removesuffix(f".{table.kind}")
        shutil.copy(table.output, folder / "out.jsonl")
        for part in ("errors.jsonl", "summary.json"):
            shutil.copy(table.output.with_name(f"{stem}.{part}"), folder / f"out.{part}")
        run_id = self._run_id(table)
        ids = self.home.query(f"SELECT custom_id FROM jobs WHERE id >> 32 = {run_id} ORDER BY id")
        (folder / "jobs.jsonl").write_text("".join(json.dumps({"id": id_}) + "\n" for (id_,) in ids))
        mine = [entry for entry in books["jobs"] if entry["job"] == table.name]
        facts = ledger_facts.read(
            f"sqlite:///{self.home.database}", folder / "out.jsonl", folder / "jobs.jsonl",
            {**books, "jobs": mine}, run_id, {}, crashed=crashed,
        )  # fmt: skip
        totals = {
            "accepted": len(mine),
            "unanswered": sum(entry["outcome"] == "unanswered" for entry in mine),
            "ticks_accepted": sum(entry["ticks"] for entry in mine),
            "polls": facts.n("attempts", "polls"),  # by run they are not in the books; `_sums` has them all
        }
        facts = replace(facts, books=facts.books | totals)
        for law in LAWS:
            yield from law(facts)

    def _sums(self, books: dict[str, Any], *, crashed: bool) -> Iterator[str]:
        """Yield where sums over all runs differ from the books."""
        polls = self.home.count("SELECT SUM(n) FROM run_counters WHERE kind = 'attempts' AND key = 'polls'")
        refused = sum(books["polls_refused"].values())
        if polls < books["polls"] or (polls > books["polls"] + refused and not crashed):
            yield f"the API counted {books['polls']} polls, the runs {polls}"
        names = {table.name for table in self.tables}
        strange = Counter(entry["job"] for entry in books["jobs"] if entry["job"] not in names)
        if strange:
            yield f"submissions of no table: {strange}"

    def _prompts(self) -> Iterator[str]:
        """Yield where what was sent for a row is not exactly its prompt."""
        for table in self.tables:
            run_id = self._run_id(table)
            frames = {
                frame: (bytes(head), bytes(tail))
                for frame, head, tail in self.home.query(
                    f"SELECT frame, head, tail FROM frames WHERE run_id = {run_id}"
                )
            }
            stored = self.home.query(
                f"SELECT frame, body FROM payloads WHERE job_id >> 32 = {run_id} ORDER BY job_id"
            )
            sent = []
            for frame, body in stored:
                head, tail = frames.get(frame, (b"", b""))
                sent.append(json.loads(head + bytes(body) + tail)["messages"][-1]["content"])
            expected = [row.prompt for row in table.rows if row.fate == "sent"]
            for nth, (found, wanted) in enumerate(zip_longest(sent, expected)):
                if found != wanted:
                    yield f"{table.name}: job {nth} of {len(expected)} is {found!r:.90}, not {wanted!r:.90}"
                    break


def label_world(folder: Path, seed: int, *, count: int, kills: int) -> list[str]:
    """Label random tables under random faults; return what is wrong.

    The seed fixes all but time.
    """
    chance = random.Random(seed)
    tables = [make_table(folder, f"w{seed}t{n}", chance, KINDS[n % len(KINDS)]) for n in range(count)]
    faults = [f"{kind}={chance.choice([0.03, 0.1])}" for kind in ANSWER_FAULTS]
    faults += [f"{kind}={chance.choice([0.01, 0.03])}" for kind in chance.sample(CALL_FAULTS, 5)]
    flags = [word for fault in faults for word in ("--fault", fault)]
    with (
        Simulator(folder, *NO_LIMITS, "--median-s", "0.15", *flags, seed=seed) as simulator,
        LiveRunner(folder, simulator) as home,
    ):
        world = World(folder=folder, tables=tables, simulator=simulator, home=home, chance=chance)
        world.label_all(kills=kills)
        return world.wrong(crashed=kills > 0)
