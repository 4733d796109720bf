"""Real runs with a budget: they stop in time, say so, and go on with a larger one; nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from live import NO_LIMITS, RUN, Home, Simulator, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

USD = 10**10  # ticks
JOBS = 200  # about $0.0009 each
PACE = ("--median-s", "0.1", "--submit-ms", "10")
DOUBTS = ("500_after=0.05", "garbage=0.05", "lost=0.03", "failed=0.03", "no_choices=0.03")


def summary(folder: Path) -> dict[str, Any]:
    """Read the summary's file."""
    found: dict[str, Any] = json.loads((folder / "out.summary.json").read_bytes())
    return found


def besides_unfinished(findings: list[str]) -> list[str]:
    """Leave out that a paused run has not ended."""
    return [finding for finding in findings if not finding.startswith("L10")]


def test_four_workers_keep_to_one_budget_and_go_on_with_another(tmp_path: Path) -> None:
    """Exit 6 with nothing out; billed is at most the budget and what passed its own reserve (law L12)."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE, seed=3) as simulator,
        Home(tmp_path, simulator, RUNNER_WORKERS="4") as home,
    ):
        command = home.start(*RUN, "--budget", "0.09")

        assert command.ended() == 6, command.said
        books, told = simulator.books(), summary(tmp_path)
        assert besides_unfinished(home.findings(simulator)) == []
        assert told["paused_by"] == "budget"
        assert told["budget"] == {
            "usd": "0.09000000",
            "ticks": 9 * USD // 100,
            "used_ticks": books["ticks_accepted"],
            "reserved_ticks": 0,
        }
        assert books["pending"] == 0, "what was out has been fetched before the end"
        assert books["ticks_accepted"] > 0.07 * USD, "the budget was used"
        assert "and the next job reserves $0.00" in command.said
        assert "then: runner resume 1 --budget USD" in command.said

        first = (tmp_path / "out.summary.json").read_bytes()
        assert home.start("write", "1", "-o", "out.jsonl").ended() == 0
        assert (tmp_path / "out.summary.json").read_bytes() == first

        assert home.start(*RUN, "--budget", "20").ended() == 0
        assert home.findings(simulator) == []
        assert simulator.books()["accepted"] == JOBS


def test_doubts_and_a_crash_count_against_the_budget(tmp_path: Path) -> None:
    """Answers that nobody could read are no way around it, and a restart forgets nothing of it."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    faults = [word for fault in DOUBTS for word in ("--fault", fault)]
    with (
        Simulator(tmp_path, *NO_LIMITS, *PACE, *faults, seed=5) as simulator,
        Home(tmp_path, simulator) as home,
    ):
        home.reach(30, home.start(*RUN, "--budget", "0.09"))
        home.kill()

        command = home.start(*RUN, "--budget", "0.09")
        assert command.ended() == 6, command.said
        assert besides_unfinished(home.findings(simulator, crashed=True)) == []
        told = summary(tmp_path)
        assert told["cost"]["possible_extra_ticks"] > 0
        assert told["cost"]["unknown_jobs"] == 0
        known = told["cost"]["reported_ticks"] + told["cost"]["possible_extra_ticks"]
        assert told["budget"]["used_ticks"] >= known
        assert told["budget"]["reserved_ticks"] == 0


def test_what_cannot_be_kept_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """Nonsense, a model without a price, a budget below one job; without one the same run goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    write_jobs(tmp_path / "strange.jsonl", 3, model="strange-1")
    with Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator, Home(tmp_path, simulator) as home:
        nonsense = home.start(*RUN, "--budget", "0")
        assert nonsense.ended() == 2
        assert "neither an amount in US dollars" in nonsense.said

        strange = home.start("run", "strange.jsonl", "--budget", "5")
        assert strange.ended() == 2
        assert "nobody knows that of strange-1" in strange.said

        small = home.start(*RUN, "--budget", "0.01")
        assert small.ended() == 6
        assert "$0.0000 of the budget of $0.0100 are used, and the next job reserves $0.01" in small.said
        assert simulator.books()["accepted"] == 0

        assert home.start("start", "2", "--budget", "none").ended() == 0
        assert simulator.books()["accepted"] == 3
