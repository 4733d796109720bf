"""What stands before the API answers, or one line is refused: whole runs over HTTP, checked by the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 40
IN_FLIGHT = 2  # HTTP requests of the worker
UNTIL_HELD = 3 + 4 * IN_FLIGHT  # three refusals, and what leaves before they are counted
AT_ONCE = ("--median-s", "0", "--submit-ms", "10")
EXTRAS = "SELECT SUM(extras), SUM(spent) FROM jobs"
IN_STATE = "SELECT COUNT(*) FROM jobs WHERE state = '{}'"


def summary_of(folder: Path) -> dict[str, Any]:
    """Return the summary that the run wrote."""
    found: dict[str, Any] = json.loads((folder / "out.summary.json").read_bytes())
    return found


@pytest.mark.parametrize(
    "kind", ["521", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("403_page", "200_page"))]
)
def test_what_did_not_reach_the_api_spends_nothing_and_leaves_no_doubt(kind: str, tmp_path: Path) -> None:
    """All requests for a while: the run waits, says why, and goes on by itself."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(faults={f"submit:{kind}": 1.0})
        command = home.start()
        wait_until(lambda: home.query("SELECT state FROM runs") == [("waiting",)], "the run waits")
        ((why,),) = home.query("SELECT pause_text FROM runs")
        assert ("did not reach the API" if kind == "521" else "A firewall or login page") in why
        simulator.switch(faults={})

        assert command.wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS
        assert home.query(EXTRAS) == [(0, JOBS)]
        assert summary_of(tmp_path)["cost"]["possible_extra_ticks"] == 0


@pytest.mark.parametrize(
    "filtered",
    [pytest.param([3], marks=pytest.mark.soak), [6, 7]],
    ids=["in the middle", "the last two"],
)
def test_a_filter_that_refuses_a_prompt_holds_that_job(filtered: list[int], tmp_path: Path) -> None:
    """Sent five times, and the API answers others: the run never waits for it, and nothing is spent."""
    jobs = write_jobs(tmp_path / "jobs.jsonl", 8)
    lines = jobs.read_text().splitlines()
    for number in filtered:
        lines[number] = lines[number].replace("Tell of", "[simulate:firewall]")
    jobs.write_text("\n".join(lines) + "\n")
    with Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator, LiveRunner(tmp_path, simulator) as home:
        command = home.start()
        assert command.wait() == 1
        assert "continues by itself" not in command.output
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == 8 - len(filtered)
        assert 5 <= simulator.books()["faults"]["403_page"] / len(filtered) <= 7
    errors = (tmp_path / "out.errors.jsonl").read_bytes().splitlines()
    assert {json.loads(line)["error"]["code"] for line in errors} == {"held-firewall-page"}
    assert len(errors) == len(filtered)
    assert summary_of(tmp_path)["cost"]["possible_extra_ticks"] == 0


def test_a_404_in_unknown_words_to_one_line_holds_its_job(tmp_path: Path) -> None:
    """The API lists its models at this path, so something that the line names is missing."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE, "--fault", "submit:404_detail=0.1", seed=5) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        assert home.start().wait() == 1
        assert home.ledger_errors(simulator) == []
        held = home.count(IN_STATE.format("held"))
        assert 0 < held == JOBS - simulator.books()["accepted"]
        assert home.count(IN_STATE.format("succeeded")) == JOBS - held
        assert home.query("SELECT kind FROM run_events WHERE kind = 'paused'") == []


@pytest.mark.parametrize(
    "kind", ["409", pytest.param("425", marks=pytest.mark.soak), pytest.param("499", marks=pytest.mark.soak)]
)
def test_a_refusal_of_a_moment_is_sent_again(kind: str, tmp_path: Path) -> None:
    """Each spends an attempt; the job succeeds when it is taken."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE, "--fault", f"{kind}=0.15", seed=5) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        assert home.start().wait() == 0
        books = simulator.books()
        assert home.ledger_errors(simulator) == []
        assert books["refused"][kind] > 0
        assert home.query(EXTRAS) == [(0, JOBS + books["refused"][kind])]


def test_a_refusal_of_a_moment_that_never_ends_fails_the_job(tmp_path: Path) -> None:
    """After --max-attempts, and it may be retried."""
    write_jobs(tmp_path / "jobs.jsonl", 1)
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE, "--fault", "409=1") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        command = home.start("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "none", "--max-attempts", "3")
        assert command.wait() == 1
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["refused"] == {"409": 3}
        assert home.query(EXTRAS) == [(0, 3)]
    (line,) = (tmp_path / "out.errors.jsonl").read_bytes().splitlines()
    error = json.loads(line)["error"]
    assert (error["code"], error["retryable"]) == ("conflict", True)


def test_a_firewall_before_the_fetch_keeps_paid_answers_waiting(tmp_path: Path) -> None:
    """Its page is no refusal of the key, and no answer is lost or bought again."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    pace = ("--median-s", "1", "--sigma", "0")
    with Simulator(tmp_path, *NO_LIMITS, *pace) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(faults={"fetch:403_page": 1.0})
        command = home.start()
        wait_until(lambda: home.query("SELECT state FROM runs") == [("waiting",)], "the run waits")
        assert "A firewall or login page" in str(home.query("SELECT pause_text FROM runs"))
        simulator.switch(faults={})

        assert command.wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS
        assert home.query(EXTRAS) == [(0, JOBS)]


def test_a_wrong_base_url_pauses_and_fails_no_job(tmp_path: Path) -> None:
    """Doctor fails for it too; with the right one the same command finishes."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator, LiveRunner(tmp_path, simulator) as home:
        home.env["XAI_BASE_URL"] = simulator.url.removesuffix("/v1")
        doctor = run_command(["doctor"], tmp_path, home.env, 5)
        assert "write XAI_BASE_URL like https://api.x.ai/v1" in doctor.output

        command = home.start()
        assert command.wait() == 8
        assert home.query("SELECT state, pause_reason FROM runs") == [("paused", "setting")]
        assert "fix: write XAI_BASE_URL like https://api.x.ai/v1, then: runner run" in command.output
        assert home.count(IN_STATE.format("pending")) == JOBS

        home.env["XAI_BASE_URL"] = simulator.url
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []


def test_a_path_that_goes_wrong_in_the_middle_costs_no_answer(tmp_path: Path) -> None:
    """Answers are out when the address becomes wrong: they wait until it is right again."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    pace = ("--median-s", "2", "--sigma", "0", "--submit-ms", "40")
    with Simulator(tmp_path, *NO_LIMITS, *pace) as simulator, LiveRunner(tmp_path, simulator) as home:
        home.hold_above(10, simulator)
        home.wait_for_accepted(10, home.start())
        home.kill()
        simulator.switch(hold_after=None)
        home.env["XAI_BASE_URL"] = simulator.url.removesuffix("/v1")
        assert home.start().wait() == 8
        assert home.count(IN_STATE.format("failed")) == 0

        home.env["XAI_BASE_URL"] = simulator.url
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator, crashed=True) == []
        assert home.count("SELECT COUNT(*) FROM attempts WHERE outcome = 'lost'") == 0


def test_a_gateway_that_drops_deferred_is_paid_kept_and_told(tmp_path: Path) -> None:
    """Its answers are results like others; the run pauses after the third, and goes on elsewhere."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="1", RUNNER_CONCURRENCY=str(IN_FLIGHT)) as home,
    ):
        simulator.switch(faults={"not_deferred": 1.0})
        command = home.start()
        assert command.wait() == 8
        assert home.query("SELECT state, pause_reason FROM runs") == [("paused", "setting")]
        assert "a gateway at XAI_BASE_URL drops `deferred`" in command.output
        kept = home.count(IN_STATE.format("succeeded"))
        assert kept == simulator.books()["accepted"] >= 3

        simulator.switch(faults={})
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS
        cost = summary_of(tmp_path)["cost"]
        assert cost["reported_ticks"] == simulator.books()["ticks_accepted"]
        assert cost["possible_extra_ticks"] == 0
        assert home.query(EXTRAS) == [(0, JOBS)]


@pytest.mark.parametrize(
    "at",
    [*(pytest.param(at, marks=pytest.mark.soak) for at in (0, 4)), 29],
    ids=["first", "middle", "last"],
)
def test_one_line_with_a_refused_model_does_not_stop_the_others(at: int, tmp_path: Path) -> None:
    """One call: the others succeed, that one is held with its code, wherever it stands in the file."""
    jobs = write_jobs(tmp_path / "jobs.jsonl", 30)
    lines = jobs.read_text().splitlines()
    lines[at] = lines[at].replace('"grok-4.3"', '"gpt-4o-mini"')
    jobs.write_text("\n".join(lines) + "\n")
    with Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator, LiveRunner(tmp_path, simulator) as home:
        assert home.start().wait() == 1
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["refused"] == {"404": 1}
        assert simulator.books()["accepted"] == 29
    assert summary_of(tmp_path)["counts"] | {"total": 30} == {
        "total": 30,
        "succeeded": 29,
        "held": 1,
        "failed": 0,
        "cancelled": 0,
        "unfinished": 0,
    }
    (line,) = (tmp_path / "out.errors.jsonl").read_bytes().splitlines()
    assert json.loads(line)["error"]["code"] == "held-model-gone"


def test_a_refused_model_is_not_sent_for_ever(tmp_path: Path) -> None:
    """After three refusals its jobs are held without being sent; what a person sends again is sent."""
    jobs = write_jobs(tmp_path / "jobs.jsonl", 120)
    lines = jobs.read_text().splitlines()
    bad = [line.replace('"grok-4.3"', '"grok-9"') for line in lines[20:]]
    jobs.write_text("\n".join([*bad[:50], *lines[:20], *bad[50:]]) + "\n")
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="1", RUNNER_CONCURRENCY=str(IN_FLIGHT)) as home,
    ):
        assert home.start().wait() == 1
        assert home.ledger_errors(simulator) == []
        refused = simulator.books()["refused"]["404"]
        assert 3 <= refused <= UNTIL_HELD
        assert home.count(IN_STATE.format("held")) == 100
        retry = home.start("retry", "1", "--held", "--yes")
        assert retry.wait() == 0, retry.output
        assert home.start().wait() == 1
        assert home.ledger_errors(simulator) == []
        assert home.count(IN_STATE.format("held")) == 100
        assert refused < simulator.books()["refused"]["404"] <= refused + UNTIL_HELD
