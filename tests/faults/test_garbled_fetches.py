"""A 200 to a fetch that is no answer: never bought again for that, never kept in an answer's place."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cli_calls import run_command
from live_runner import KEY, NO_LIMITS, LiveRunner, Simulator, wait_until, write_jobs

from runner.rules.replies.unreadable import OUTAGE_AFTER

if TYPE_CHECKING:
    from pathlib import Path

    from live_runner import Command

PAGES = ("empty200", "html200", "trunc200", "err200", "pending200")
IN_FLIGHT = 8  # HTTP requests of the one worker process that few jobs get
PROBES = 3  # 1 s, 2 s and 4 s apart
OUTAGE_S = 600.0
PROBES_OF_OUTAGE = 6 + 600 // 20  # of a worker: 1, 2, 4 ... 30 s apart, up to a third less by jitter
UNREADABLE = "SELECT SUM(replies) FROM unreadables"
EVENTS = "SELECT kind, cause FROM run_events ORDER BY id"


def runner(home: LiveRunner, *words: str, code: int = 0) -> str:
    """Run one command to its end; return its output."""
    return run_command(words, home.folder, home.env, code).output


def state(home: LiveRunner) -> str:
    ((found,),) = home.query("SELECT state FROM runs")
    return str(found)


def finished(home: LiveRunner, simulator: Simulator, command: Command, jobs: int, extra: int = 0) -> None:
    """Check that all jobs succeeded, for so many submissions too many, and that the books add up."""
    assert command.wait() == 0, command.output
    assert home.ledger_errors(simulator) == []
    assert simulator.books()["accepted"] == jobs + extra
    assert home.count("SELECT COUNT(*) FROM jobs WHERE state = 'succeeded'") == jobs


def test_what_is_no_answer_is_asked_for_again(tmp_path: Path) -> None:
    """Pages, empty and cut bodies, errors of a proxy: the same request_id is asked again, nothing is paid."""
    jobs = 40
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    faults = dict.fromkeys(PAGES, 0.12)
    flags = [word for kind, rate in faults.items() for word in ("--fault", f"{kind}={rate}")]
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "0.2", *flags) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        command = home.start()
        wait_until(lambda: set(simulator.books()["faults"]) == set(PAGES), "each kind came")
        wait_until(lambda: home.count(UNREADABLE) >= len(PAGES), "they are counted")
        simulator.switch(faults={})
        finished(home, simulator, command, jobs)

        assert home.count(UNREADABLE) == sum(simulator.books()["faults"].values())
        ((name, replies),) = home.query(
            "SELECT j.custom_id, u.replies FROM unreadables u JOIN jobs j ON j.id = u.job_id LIMIT 1"
        )
        shown = runner(home, "show", "1", name)
        assert "no answer" in shown
        (kept,) = json.loads(runner(home, "show", "1", name, "--json"))["unreadable"]
        assert (kept["attempt"], kept["replies"]) == (1, replies)
        assert kept["what"] in " ".join(shown.split())
        runner(home, "rm", "1", "--yes")
        assert home.count("SELECT COUNT(*) FROM unreadables") == 0


def test_half_an_emoji_and_a_byte_order_mark_are_answers(tmp_path: Path) -> None:
    """The stored bytes are what came, the output is valid JSON in UTF-8, a terminal gets whole characters."""
    write_jobs(tmp_path / "jobs.jsonl", 8)
    flags = ("--instant", "--fault", "lone=0.5", "--fault", "bom=0.5")
    with (
        Simulator(tmp_path, *NO_LIMITS, *flags, seed=2) as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        finished(home, simulator, home.start(), 8)
        assert set(simulator.books()["faults"]) == {"lone", "bom"}
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
        halves = [line["custom_id"] for line in lines if _text(line).startswith("\ud83d")]
        marked = {line["custom_id"] for line in lines} - set(halves)
        raw = home.start("show", "1", min(marked), "--raw")
        assert raw.wait() == 0
        assert raw.out.read_bytes().startswith(b'\xef\xbb\xbf{"id"')
        assert "\ufffd" in runner(home, "show", "1", halves[0])
        raw = home.start("show", "1", halves[0], "--raw")
        assert raw.wait() == 0
        assert rb'"content":"\ud83d' in raw.out.read_bytes()


def test_an_answer_that_a_garbled_reply_took_along_is_lost_and_bought_once(tmp_path: Path) -> None:
    """After the garbled bytes two 404s: one extra each, with its reason, and the run goes on."""
    jobs = 12
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    flags = ("--median-s", "0.2", "--fault", "garbage=0.4")
    with Simulator(tmp_path, *NO_LIMITS, *flags) as simulator, LiveRunner(tmp_path, simulator) as home:
        simulator.switch(hold_after=jobs)  # what is sent again comes after the fault
        command = home.start()
        wait_until(lambda: simulator.books()["outcomes"]["garbage"] >= 2, "answers were garbled")
        simulator.switch(faults={}, hold_after=None)
        assert command.wait() == 0, command.output
        garbled = simulator.books()["outcomes"]["garbage"]
        finished(home, simulator, command, jobs, extra=garbled)
        summary = json.loads((tmp_path / "out.summary.json").read_bytes())
        assert summary["attempts"]["extra"]["lost"] == garbled
        assert sum(summary["attempts"]["extra"].values()) == garbled


def test_a_page_instead_of_everything_is_waited_for(tmp_path: Path) -> None:
    """A network's login page for a time: one probe at a time, nothing lost, nothing paid, nobody called."""
    jobs = 300
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "20", "--sigma", "0.05") as simulator,
        LiveRunner(tmp_path, simulator, RUNNER_WORKERS="1") as home,
    ):
        command = home.start()
        wait_until(lambda: simulator.books()["accepted"] == jobs, "all are out")
        simulator.switch(down="page")
        wait_until(lambda: state(home) == "waiting", "the run waits")
        why = "fetches bring a web page (Hotel WiFi login) instead of answers"
        wait_until(lambda: why in runner(home, "status"), "the status says why")
        before = home.count(UNREADABLE)
        wait_until(lambda: home.count(UNREADABLE) >= before + PROBES, "probes are sent, one at a time")
        fetching = "SELECT COUNT(*) FROM jobs WHERE state = 'collecting'"
        wait_until(lambda: home.count(fetching) <= 1, "what was claimed before the outage has gone back")
        assert command.process.poll() is None

        simulator.switch(down=False)
        finished(home, simulator, command, jobs)
        events = [kind for kind, _ in home.query(EVENTS)]
        assert "paused" not in events
        assert events.index("waiting") < events.index("running")
        assert home.count(UNREADABLE) <= IN_FLIGHT + OUTAGE_AFTER + 4 * PROBES
        assert home.count("SELECT COUNT(*) FROM jobs WHERE extras > 0") == 0


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_ten_minutes_of_a_page_instead_of_everything_cost_nothing(tmp_path: Path) -> None:
    """1,000 answers are out: the run waits all the time; afterwards all come, and none is bought again."""
    jobs = 1_000
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    with (
        Simulator(tmp_path, *NO_LIMITS, "--median-s", "10", "--sigma", "0.05") as simulator,
        LiveRunner(tmp_path, simulator) as home,
    ):
        command = home.start()
        wait_until(lambda: simulator.books()["accepted"] == jobs, "all are out")
        simulator.switch(down="page")
        end = time.monotonic() + OUTAGE_S
        wait_until(lambda: state(home) == "waiting", "the run waits")
        shown = set()
        while time.monotonic() < end:
            shown.add(json.loads(runner(home, "status", "--json"))["state"])
            time.sleep(5)
        replies = home.count(UNREADABLE)
        simulator.switch(down=False)
        finished(home, simulator, command, jobs)

        assert shown == {"waiting"}
        assert replies <= 2 * (IN_FLIGHT + OUTAGE_AFTER + PROBES_OF_OUTAGE)
        events = [kind for kind, _ in home.query(EVENTS)]
        assert "paused" not in events
        assert home.count("SELECT COUNT(*) FROM jobs WHERE extras > 0") == 0


def _text(line: dict[str, Any]) -> str:
    return str(line["response"]["body"]["choices"][0]["message"]["content"])


def test_at_the_end_of_its_24_hours_a_job_is_held_and_offered(tmp_path: Path) -> None:
    """Only pages came: a person decides whether the answer is bought again."""
    jobs = 3
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    flags = ("--median-s", "0.2", "--fault", "html200=1")
    with Simulator(tmp_path, *NO_LIMITS, *flags) as simulator, LiveRunner(tmp_path, simulator) as home:
        command = home.start()
        home.wait_for_accepted(jobs, command)
        home.kill()
        home.change("UPDATE jobs SET accepted_at_ms = accepted_at_ms - 90000000, due_at_ms = 0")
        command = home.start()
        assert command.wait() == 1
        assert home.query("SELECT DISTINCT state, error_code FROM jobs") == [("held", "unreadable")]
        assert "runner retry 1 --lost" in command.output
        assert simulator.books()["accepted"] == jobs
        assert KEY not in command.output
