"""The world changes while a run is at work: the run waits or pauses, no job pays for it, and it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from live import NO_LIMITS, Home, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 250
SOME = 60
LOST = "SELECT COUNT(*) FROM attempts WHERE outcome = 'ambiguous'"
LOST_BY_THE_LAST = (
    f"{LOST} AND job_id = (SELECT job_id FROM attempts WHERE outcome = 'ambiguous'"
    " ORDER BY marked_at_ms DESC LIMIT 1)"
)
PACE = ("--median-s", "0.3", "--submit-ms", "40")


@pytest.mark.parametrize(
    ("trouble", "code", "reason"),
    [
        ({"key_revoked": True}, 4, "key"),
        ({"credits_gone": True, "credits_status": 403}, 8, "credits"),
        ({"credits_gone": True, "credits_status": 429}, 8, "credits"),
        ({"model_gone": True}, 8, "model"),
    ],
    ids=["key", "credits-403", "credits-429", "model"],
)
def test_the_accounts_trouble_pauses_the_run_and_fails_no_job(
    trouble: dict[str, Any], code: int, reason: str, tmp_path: Path
) -> None:
    """It says why and what to do; once that is mended, the same command goes on and pays nothing twice."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator, Home(tmp_path, simulator) as home:
        command = home.start()
        home.reach(SOME, command)
        simulator.switch(**trouble)

        assert command.ended() == code
        assert home.query("SELECT state, pause_reason FROM runs") == [("paused", reason)]
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state IN ('failed', 'held', 'cancelled')") == 0
        assert "fix: " in command.said
        wait_until(home.is_quiet, "nothing works on for a paused run")

        simulator.switch(key_revoked=False, credits_gone=False, model_gone=False)
        assert home.start().ended() == 0
        assert home.findings(simulator) == []
        assert simulator.books()["accepted"] == JOBS


@pytest.mark.parametrize("kind", [True, "reset"], ids=["503", "reset"])
def test_an_api_that_is_down_is_waited_for(kind: object, tmp_path: Path) -> None:
    """The command stays, and the run goes on by itself when the API is back.

    With connections that are reset few requests are lost in doubt: it asks less and less often, each time
    with a job that was never in doubt, so that none is held for it.
    """
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *PACE) as simulator, Home(tmp_path, simulator) as home:
        command = home.start()
        home.reach(SOME, command)
        simulator.switch(down=kind)
        wait_until(lambda: home.query("SELECT state FROM runs") == [("waiting",)], "the run waits")
        if kind == "reset":
            before = home.count(LOST)
            wait_until(lambda: home.count(LOST) > before, "it has asked again")
            assert home.count(LOST_BY_THE_LAST) == 1
        simulator.switch(down=False)

        assert command.ended() == 0
        assert home.findings(simulator, crashed=kind == "reset") == []  # its books know nothing of those
        assert simulator.books()["accepted"] == JOBS
