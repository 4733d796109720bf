"""`runner costs`: what was spent, by run, model and day; the sums agree with everything else to the tick."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator

from runner.rules.money import usd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODELS = ("grok-4.3", "grok-4.6", "grok-4.3")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, LiveRunner]]:
    """Return two finished runs: one named like a formula, one whose answers contain no cost."""
    folder = tmp_path_factory.mktemp("costs")
    (folder / "old").mkdir()
    with (
        Simulator(folder, *NO_LIMITS, "--instant") as simulator,
        Simulator(folder / "old", *NO_LIMITS, "--instant", "--no-ticks") as old,
    ):
        for name, asked in (("=1+1", simulator), ("plain", old)):
            _write(folder / f"{name}.jsonl", name)
            with LiveRunner(folder, asked) as home:
                assert home.start("run", f"{name}.jsonl", "-o", f"{name}.out.jsonl").wait() == 0
        with LiveRunner(folder, simulator) as home:
            yield simulator, home


def _write(path: Path, name: str) -> None:
    lines = [
        {"id": f"{name}-{n}", "model": model, "prompt": f"Tell {name} of {n}."}
        for n, model in enumerate(MODELS)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def json_of(home: LiveRunner, *words: str) -> dict[str, Any]:
    """Return the object that a command prints with --json."""
    found: dict[str, Any] = json.loads(run_command([*words, "--json"], home.folder, home.env).stdout)
    return found


def test_the_sums_agree_with_the_summaries_and_the_books(place: tuple[Simulator, LiveRunner]) -> None:
    """For every grouping the rows add up to the total, to the tick."""
    simulator, home = place
    summaries = [json_of(home, "summary", run)["cost"] for run in ("1", "2")]
    known = [cost["reported_ticks"] + cost["estimated_ticks"] for cost in summaries]
    assert summaries[0]["estimated_ticks"] == summaries[1]["reported_ticks"] == 0
    for by in ([], ["--by", "run"], ["--by", "model"], ["--by", "day"], ["--by", "day", "--by", "run"]):
        found = json_of(home, "costs", *by)
        for key, value in found["total"].items():
            if key != "usd":
                assert sum(row[key] for row in found["rows"]) == value
        assert found["total"]["ticks"] == sum(known)
        assert found["total"]["usd"] == usd(sum(known))
    assert [row["ticks"] for row in json_of(home, "costs", "--by", "run")["rows"]] == known
    assert json_of(home, "costs", "2")["total"]["ticks"] == known[1]
    assert json_of(home, "costs", "2")["total"]["estimated_ticks"] == known[1]

    billed: Counter[str] = Counter()
    for job in simulator.books()["jobs"]:
        billed[job["model"]] += job["ticks"]
    by_model = json_of(home, "costs", "1", "--by", "model")["rows"]
    assert {row["model"]: row["ticks"] for row in by_model} == billed


def test_the_table_and_the_csv_agree(place: tuple[Simulator, LiveRunner]) -> None:
    """A name like a formula is text in the CSV, and unchanged on the screen."""
    _, home = place
    found = json_of(home, "costs")["rows"]
    sheet = run_command(["costs", "--csv"], home.folder, home.env)
    rows = list(csv.DictReader(io.StringIO(sheet.stdout)))
    assert [row["ticks"] for row in rows] == [str(row["ticks"]) for row in found]
    assert {row["name"] for row in rows} == {"'=1+1", "plain"}
    table = run_command(["costs", "--by", "run"], home.folder, home.env)
    lines = table.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "1", "2", "total"]
    assert lines[1].split()[1] == "=1+1"


def test_costs_outlive_their_run(tmp_path: Path) -> None:
    """The rows of a removed run are what they were, with its name; its id or its name finds them."""
    with (
        Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        _write(tmp_path / "a.jsonl", "a")
        assert home.start("run", "a.jsonl", "-o", "a.out.jsonl").wait() == 0
        before = json_of(home, "costs")
        run_command(["rm", "1", "--yes"], home.folder, home.env)
        after = [json_of(home, "costs", *words) for words in ((), ("1",), ("a",))]

    assert [(costs["rows"], costs["total"]) for costs in after] == [(before["rows"], before["total"])] * 3
    assert {row["name"] for row in before["rows"]} == {"a"}


def test_nothing_spent_is_nothing(tmp_path: Path) -> None:
    """A run that was only loaded has no rows and a total of 0."""
    with Simulator(tmp_path) as simulator, LiveRunner(tmp_path, simulator) as home:
        _write(tmp_path / "a.jsonl", "a")
        run_command(["load", "a.jsonl"], home.folder, home.env)
        found = json_of(home, "costs")
        assert (found["rows"], found["total"]["ticks"]) == ([], 0)
