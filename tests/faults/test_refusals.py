"""Refusals of single jobs, with real processes: one attempt, an explanation, and the possible fee."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from live_runner import NO_LIMITS, LiveRunner, Simulator, write_jobs

from runner.rules.explain import explain

if TYPE_CHECKING:
    from pathlib import Path

GOOD, UNSAFE = 12, 3
FEE_TICKS = 5 * 10**8


def test_a_prompt_refused_for_safety_fails_at_once_and_its_fee_is_told(tmp_path: Path) -> None:
    """One POST each; the API's message in the errors file, an explanation, $0.05 each as possible cost."""
    jobs = write_jobs(tmp_path / "jobs.jsonl", GOOD)
    with jobs.open("a", encoding="utf-8") as file:
        for number in range(UNSAFE):
            line = {
                "id": f"u-{number}",
                "model": "grok-4",
                "prompt": "[simulate:safety]",
                "user": f"u-{number}",
            }
            file.write(json.dumps(line) + "\n")
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        command = home.start()
        assert command.wait() == 1, command.output
        books = simulator.books()
        assert home.ledger_errors(simulator) == []
        shown = home.start("show", "1", "u-1")
        assert shown.wait() == 0

    errors = [json.loads(line)["error"] for line in (tmp_path / "out.errors.jsonl").read_bytes().splitlines()]
    summary = json.loads((tmp_path / "out.summary.json").read_text())
    assert (books["accepted"], books["refused"]) == (GOOD, {"403": UNSAFE})
    assert [(error["code"], error["retryable"]) for error in errors] == [("safety", False)] * UNSAFE
    assert all("SAFETY_CHECK_TYPE" in error["message"] for error in errors)
    assert summary["errors"] == {"by_code": {"safety": UNSAFE}}
    assert summary["cost"]["possible_extra_ticks"] == UNSAFE * FEE_TICKS
    assert set(summary["attempts"]["extra"].values()) == {0}
    assert summary["models_returned"] == {}
    assert explain("safety") in " ".join(command.output.split())
    assert explain("safety") in " ".join(shown.output.split())
    assert "at most $0.1500 more" in command.output
