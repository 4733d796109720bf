"""Account problems and outages during a run: it waits or pauses, no job fails for it, and it resumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 250
SOME = 60
PROBES = 3
LOST = "SELECT COUNT(*) FROM attempts WHERE outcome = 'ambiguous'"
LOST_BY_THE_LAST = (
    f"{LOST} AND job_id = (SELECT job_id FROM attempts WHERE outcome = 'ambiguous'"
    " ORDER BY marked_at_ms DESC LIMIT 1)"
)
PACE = ("--median-s", "0.3", "--submit-ms", "40")


@pytest.mark.parametrize(
    ("switches", "code", "reason"),
    [
        ({"key_revoked": True}, 4, "key"),
        ({"credits_gone": True, "credits_status": 403}, 8, "credits"),
        pytest.param({"credits_gone": True, "credits_status": 429}, 8, "credits", marks=pytest.mark.soak),
        ({"model_gone": True}, 8, "model"),
    ],
    ids=["key", "credits-403", "credits-429", "model"],
)
def test_the_accounts_trouble_pauses_the_run_and_fails_no_job(
    switches: dict[str, Any], code: int, reason: str, tmp_path: Path
) -> None:
    """The command prints why and the fix; after it the same command resumes, and no job is paid twice."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(hold_after=SOME)
        command = home.start()
        home.wait_for_accepted(SOME, command)
        simulator.switch(**switches, hold_after=None)

        assert command.wait() == code
        assert home.query("SELECT state, pause_reason FROM runs") == [("paused", reason)]
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state IN ('failed', 'held', 'cancelled')") == 0
        assert "fix: " in command.output
        wait_until(home.has_no_processes, "nothing works on for a paused run")

        simulator.switch(key_revoked=False, credits_gone=False, model_gone=False)
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS


@pytest.mark.parametrize("kind", [True, "reset"], ids=["503", "reset"])
def test_an_api_that_is_down_is_waited_for(kind: object, tmp_path: Path) -> None:
    """The command keeps running, and the run continues by itself when the API is back.

    With reset connections few requests have an unknown outcome: probes become rarer, each with a job that
    has had no unknown outcome yet, so that no job is held.
    """
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(hold_after=SOME)
        command = home.start()
        home.wait_for_accepted(SOME, command)
        simulator.switch(down=kind, hold_after=None)
        wait_until(lambda: home.query("SELECT state FROM runs") == [("waiting",)], "the run waits")
        if kind == "reset":
            before = home.count(LOST)
            wait_until(lambda: home.count(LOST) >= before + PROBES, "it has sent more probes")
            assert home.count(LOST_BY_THE_LAST) == 1
        simulator.switch(down=False)

        assert command.wait() == 0
        assert (
            home.ledger_errors(simulator, crashed=kind == "reset") == []
        )  # the books lack the reset requests
        assert simulator.books()["accepted"] == JOBS
