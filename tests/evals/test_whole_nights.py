"""Nights of a suite from the command line: killed, measured again, in the background, after an outage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import night_ledger
from live_runner import NO_LIMITS, LiveRunner, Simulator
from suite_folder import EPOCHS, ITEMS, write_suite

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

ANSWERS: Final = ("--answers", "answers.jsonl")
EVAL: Final = ("eval", "sums.suite.toml", "--rpm", "none", "--tpm", "none")
REQUESTS: Final = ITEMS * EPOCHS


def report_of(folder: Path, occasion: str) -> dict[str, Any]:
    """Return the report file of a night."""
    report: dict[str, Any] = json.loads((folder / f"sums.{occasion}.eval.json").read_text())
    return report


def test_a_quiet_night_is_measured_graded_and_told(tmp_path: Path) -> None:
    """The first nights have no baseline; the ledger of each agrees; the same command again sends nothing."""
    write_suite(tmp_path)
    with (
        Simulator(
            tmp_path, *NO_LIMITS, "--instant", "--answers", str(tmp_path / "answers.jsonl")
        ) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        command = home.start(*EVAL, "--occasion", "n1")
        assert command.wait() == 0, command.output
        books = simulator.books()
        assert books["accepted"] == REQUESTS
        assert night_ledger.check(home.database, "sums", "n1", tmp_path / "sums.n1", books) == []
        before = night_ledger.file_hashes(tmp_path / "sums.n1")
        again = home.start(*EVAL, "--occasion", "n1")
        assert again.wait() == 0, again.output
        assert simulator.books()["accepted"] == REQUESTS
        assert night_ledger.file_hashes(tmp_path / "sums.n1") == before
    assert report_of(tmp_path, "n1")["verdict"] == "no_baseline"
