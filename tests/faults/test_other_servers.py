"""Another server replies, or a reply has an odd form: nothing is lost or paid twice for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 12
AT_ONCE = ("--median-s", "0", "--submit-ms", "10")
SLOWLY = ("--median-s", "1", "--sigma", "0")
STATE = "SELECT state, pause_reason FROM runs"
EXTRAS = "SELECT SUM(extras) FROM jobs"
SENDING = "SELECT COUNT(*) FROM jobs WHERE state = 'submitting'"
IN_FLIGHT = 8  # HTTP requests of the one worker
WITHOUT_ID_MOST = IN_FLIGHT + 2  # what leaves together, and two after it


@pytest.mark.parametrize(
    "kind",
    [
        "404_detail",
        pytest.param("404_page", marks=pytest.mark.soak),
        pytest.param("404_empty", marks=pytest.mark.soak),
        pytest.param("404_text", marks=pytest.mark.soak),
        pytest.param("echo_403", marks=pytest.mark.soak),
    ],
)
def test_a_404_of_another_server_loses_no_answer(kind: str, tmp_path: Path) -> None:
    """The run waits or pauses, says why, and every answer is fetched when the way is free again."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *SLOWLY) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(faults={f"fetch:{kind}": 1.0})
        command = home.start()
        stopped = f"SELECT COUNT(*) FROM ({STATE}) WHERE state IN ('waiting', 'paused')"
        wait_until(lambda: home.count(stopped), "the run stops")
        simulator.switch(faults={})

        if command.wait() == 8:
            command = home.start()
        assert command.wait() == 0, command.output
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS
        assert home.count(EXTRAS) == 0


@pytest.mark.parametrize("kind", ["203", "wrong_length", pytest.param("201", marks=pytest.mark.soak)])
def test_an_answer_in_an_odd_form_is_kept(kind: str, tmp_path: Path) -> None:
    """It is handed out once."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE, "--fault", f"{kind}=1") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == JOBS


def test_a_network_that_answers_all_with_text_costs_one_doubt_at_most(tmp_path: Path) -> None:
    """What left together is counted; then free requests are sent until the API answers them."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(down="text")
        command = home.start()
        wait_until(lambda: home.query(STATE) == [("waiting", None)], "the run waits")
        simulator.switch(down=False)
        assert command.wait() == 0, command.output
        assert home.ledger_errors(simulator) == []
        assert home.count(EXTRAS) <= WITHOUT_ID_MOST


@pytest.mark.parametrize("kind", ["200_status", pytest.param("200_empty", marks=pytest.mark.soak)])
def test_a_gateway_that_swallows_request_ids_pauses_the_run(kind: str, tmp_path: Path) -> None:
    """It answers free requests, so its submits may be paid: three in a row are enough."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(faults={f"submit:{kind}": 1.0})
        command = home.start()
        assert command.wait() == 8, command.output
        assert home.query(STATE) == [("paused", "setting")]
        assert 3 <= home.count(EXTRAS) <= WITHOUT_ID_MOST
        simulator.switch(faults={})
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []


@pytest.mark.parametrize("jobs", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_a_firewall_against_posts_holds_no_job(jobs: int, tmp_path: Path) -> None:
    """However small the run: it is the network's fault."""
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    with Simulator(tmp_path, *NO_LIMITS, *AT_ONCE) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(down="posts")
        command = home.start()
        wait_until(lambda: simulator.books()["refused"].get("403", 0) >= 6, "six pages came")
        wait_until(lambda: home.query(STATE) == [("waiting", None)], "the run waits")
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'held'") == 0
        simulator.switch(down=False)
        assert command.wait() == 0, command.output
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == jobs


def test_an_image_that_cannot_be_fetched_holds_that_job(tmp_path: Path) -> None:
    """The model goes on answering the others."""
    write_jobs(tmp_path / "jobs.jsonl", 30)
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE, "--fault", "model-words=0.3", seed=3) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        assert home.start().wait() == 1
        assert home.ledger_errors(simulator) == []
        refused = simulator.books()["refused"]["400"]
        assert 0 < refused == home.count("SELECT COUNT(*) FROM jobs WHERE state = 'held'")
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") == 30 - refused


def test_a_run_whose_values_are_all_refused_pauses(tmp_path: Path) -> None:
    """After 20 in a row a person looks; the rest is not sent."""
    write_jobs(tmp_path / "jobs.jsonl", 200)
    with (
        Simulator(tmp_path, *NO_LIMITS, *AT_ONCE, "--fault", "model-words=1") as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="1") as home,
    ):
        command = home.start("run", "jobs.jsonl", "-o", "out.jsonl", "--rpm", "600", "--tpm", "none")
        assert command.wait() == 8, command.output
        assert home.query(STATE) == [("paused", "failures")]
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'held'") < 200


def test_a_run_paused_for_its_key_collects_what_it_has_paid_for(tmp_path: Path) -> None:
    """As one that the user paused: the command ends after that, for fetches still work."""
    write_jobs(tmp_path / "jobs.jsonl", 60)
    with Simulator(tmp_path, *NO_LIMITS, *SLOWLY) as simulator, LiveRunner(tmp_path, simulator) as home:
        home.hold_above(10, simulator)
        command = home.start()
        home.wait_for_accepted(10, command)
        simulator.switch(permission_gone=True, hold_after=None)
        assert command.wait() == 4, command.output
        assert home.query(STATE) == [("paused", "key")]
        assert home.count("SELECT COUNT(*) FROM jobs WHERE state IN ('waiting', 'collecting')") == 0
        assert simulator.books()["fetched"] == simulator.books()["accepted"] >= 10
        simulator.switch(permission_gone=False)
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []


def test_a_run_whose_key_is_refused_for_fetches_too_ends_and_says_what_waits(tmp_path: Path) -> None:
    """The last lines name the answers, until when they wait, and the command that collects them."""
    jobs = 3 * IN_FLIGHT
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    with Simulator(tmp_path, *NO_LIMITS, *SLOWLY) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(hold_after=IN_FLIGHT)
        command = home.start()
        wait_until(
            lambda: home.accepted() == IN_FLIGHT <= home.count(SENDING),
            "answers are out, and all connections wait for others",
        )
        simulator.switch(key_revoked=True, hold_after=None)
        assert command.wait() == 4, command.output
        assert "at xAI until" in command.output
        assert "then: runner run jobs.jsonl" in command.output
        simulator.switch(key_revoked=False)
        assert home.start().wait() == 0
        assert home.ledger_errors(simulator) == []
        assert simulator.books()["accepted"] == jobs
