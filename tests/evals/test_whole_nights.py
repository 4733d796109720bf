"""Nights of a suite from the command line: killed, measured again, in the background, after an outage."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import night_ledger
from live_runner import IN_FLIGHT, NO_LIMITS, LiveRunner, Simulator, wait_until
from suite_folder import EPOCHS, ITEMS, write_suite

if TYPE_CHECKING:
    from collections.abc import Iterator

EVAL: Final = ("eval", "sums.suite.toml", "--rpm", "none", "--tpm", "none")
JOBS: Final = Path(__file__).parents[2] / "jobs"
REQUESTS: Final = ITEMS * EPOCHS
KILLS: Final = 5


class Nights:
    """A folder with the suite, its state folder, and a simulator that knows the answers."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder, self.simulator = folder, simulator
        self.home = LiveRunner(folder, simulator)

    def eval(self, occasion: str, *more: str, code: int = 0) -> dict[str, Any]:
        """Measure a night to its end; return its report."""
        command = self.home.start(*EVAL, "--occasion", occasion, *more)
        assert command.wait() == code, command.output
        return self.report(occasion)

    def report(self, occasion: str) -> dict[str, Any]:
        """Return the report file of a night."""
        report: dict[str, Any] = json.loads((self.folder / f"sums.{occasion}.eval.json").read_text())
        return report

    def wrong(self, occasion: str, *, crashed: bool = False) -> list[str]:
        """Return what the ledger finds wrong in a night, which is the only one."""
        return night_ledger.check(
            self.home.database, self.folder / f"sums.{occasion}", self.simulator.books(), crashed=crashed
        )

    def nights(self) -> list[tuple[str, str]]:
        """Return the names and verdicts of all nights, oldest first."""
        return self.home.query("SELECT name, verdict FROM eval_nights ORDER BY id")


@contextmanager
def nights_in(folder: Path, *flags: str, right: float = 0.9) -> Iterator[Nights]:
    """Give a folder with nights; the simulator answers at once unless `flags` say otherwise."""
    write_suite(folder, right=right)
    answers = ("--answers", str(folder / "answers.jsonl"))
    with Simulator(folder, *NO_LIMITS, *(flags or ("--instant",)), *answers) as simulator:
        nights = Nights(folder, simulator)
        with nights.home:
            yield nights


def test_a_quiet_night_agrees_with_the_ledger_and_is_not_sent_again(tmp_path: Path) -> None:
    """The first night has no baseline; the same command again writes the same bytes."""
    with nights_in(tmp_path) as nights:
        assert nights.eval("n1")["verdict"] == "no_baseline"
        assert nights.wrong("n1") == []
        before = night_ledger.file_hashes(tmp_path / "sums.n1")
        nights.eval("n1")
        assert nights.simulator.books()["accepted"] == REQUESTS
        assert night_ledger.file_hashes(tmp_path / "sums.n1") == before


def test_a_night_that_is_killed_five_times_is_paid_once(tmp_path: Path) -> None:
    """Requests are items times epochs, and what was in flight at a kill; nothing is lost or graded twice.

    The items and the gates are those of an undisturbed night, byte for byte; the report has other times, and
    the cost of what was in flight.
    """
    with nights_in(tmp_path / "killed", "--median-s", "0.3", "--submit-ms", "15", right=1.0) as nights:
        for number in range(1, KILLS + 1):
            accepted = number * REQUESTS // (KILLS + 2)
            nights.home.hold_above(accepted, nights.simulator)
            nights.home.wait_for_accepted(accepted, nights.home.start(*EVAL, "--occasion", "n1"))
            nights.home.kill()
            nights.simulator.switch(hold_after=None)
        report = nights.eval("n1")
        assert report["answers"]["answered"] == REQUESTS
        assert REQUESTS <= nights.simulator.books()["accepted"] <= REQUESTS + KILLS * IN_FLIGHT
        assert nights.wrong("n1", crashed=True) == []
        assert nights.nights() == [("sums@n1", "no_baseline")]
    with nights_in(tmp_path / "calm", right=1.0) as calm:
        calm.eval("n1")
    for name in ("sums.n1.items.csv", "sums.n1.junit.xml"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


def test_a_drop_is_measured_twice_and_stays_out_of_the_pool(tmp_path: Path) -> None:
    """Exit code 10; the service that changed is named; the next night is compared without the bad one."""
    with nights_in(tmp_path) as nights:
        for number in range(1, 4):
            nights.eval(f"n{number}")
        nights.simulator.switch(shift=-0.4, fingerprint="fp_new")
        report = nights.eval("bad", "--on-end", "env | grep ^RUN_V >on-end.txt; cat >on-end.json", code=10)
        assert (report["verdict"], report["exit_code"]) == ("regressed", 10)
        assert len(report["runs"]) == 2
        assert report["answers"]["expected"] == 2 * REQUESTS
        assert "fp_new" in report["changes"][0]["text"]
        assert "RUN_VERDICT=regressed" in (tmp_path / "on-end.txt").read_text()
        assert json.loads((tmp_path / "on-end.json").read_text())["verdict"] == "regressed"
        nights.simulator.switch(shift=0)
        assert nights.eval("next")["baseline"] == ["sums@n1", "sums@n2", "sums@n3"]


def test_an_outage_has_no_verdict_until_its_answers_are_sent_again(tmp_path: Path) -> None:
    """Exit code 11, and not in the pool; after `retry` the same command grades the night again."""
    with nights_in(tmp_path) as nights:
        nights.simulator.switch(faults={"lost": 0.3})
        report = nights.eval("n1", "--on-ambiguous", "hold", code=11)
        assert report["verdict"] == "no_verdict"
        assert sum(report["answers"]["lost"].values()) == REQUESTS - report["answers"]["answered"] > 1
        nights.simulator.switch(faults={})
        assert nights.eval("n2")["baseline"] == []
        again = nights.home.start("retry", "sums@n1", "--held", "--yes")
        assert again.wait() == 0, again.output
        assert "to send them: runner eval SUITE.toml --occasion n1" in again.output
        assert nights.eval("n1")["answers"]["answered"] == REQUESTS
        assert nights.nights() == [("sums@n1", "no_baseline"), ("sums@n2", "no_baseline")]


def test_another_verdict_of_a_night_is_reported_too(tmp_path: Path) -> None:
    """After `retry` the same command gives a second verdict and calls --on-end once more, then no more."""
    with nights_in(tmp_path) as nights:
        called = tmp_path / "called.txt"
        flags = ("--on-ambiguous", "hold", "--on-end", f"echo $RUN_VERDICT >>{called}")
        nights.simulator.switch(faults={"lost": 0.3})
        nights.eval("n1", *flags, code=11)
        nights.eval("n1", *flags, code=11)
        assert called.read_text().split() == ["no_verdict"]
        nights.simulator.switch(faults={})
        again = nights.home.start("retry", "sums@n1", "--held", "--yes")
        assert again.wait() == 0, again.output
        nights.eval("n1")
        nights.eval("n1")
        assert called.read_text().split() == ["no_verdict", "no_baseline"]


def test_a_night_in_the_background_ends_by_itself(tmp_path: Path) -> None:
    """The workers grade it, measure it again and call the command; the same command writes its files."""
    with nights_in(tmp_path) as nights:
        for number in range(1, 4):
            nights.eval(f"n{number}")
        nights.simulator.switch(shift=-0.4)
        called = tmp_path / "on-end.json"
        command = nights.home.start(
            *EVAL, "--occasion", "bg", "--detach", "--on-end", "cat >on-end.part; mv on-end.part on-end.json"
        )
        assert command.wait() == 0, command.output
        wait_until(called.exists, "the command of the night is called")
        assert json.loads(called.read_text())["verdict"] == "regressed"
        accepted = nights.simulator.books()["accepted"]
        assert accepted == 5 * REQUESTS
        assert nights.eval("bg", code=10)["verdict"] == "regressed"
        assert nights.simulator.books()["accepted"] == accepted


def test_another_prompt_in_the_same_night_is_refused(tmp_path: Path) -> None:
    """What was paid for is not mixed; the next night may have it, and says so."""
    with nights_in(tmp_path) as nights:
        nights.eval("n1")
        suite = tmp_path / "sums.suite.toml"
        suite.write_text(suite.read_text().replace("number alone", "number"))
        command = nights.home.start(*EVAL, "--occasion", "n1")
        assert command.wait() == 2
        assert "sums@n1 was begun with another prompt; nothing was done" in command.output
        assert [change["what"] for change in nights.eval("n2")["changes"]] == ["prompt"]


def test_files_of_others_are_refused_before_anything_is_paid(tmp_path: Path) -> None:
    """Else a night would be paid for whose report has no place; with --force it is measured."""
    with nights_in(tmp_path) as nights:
        (tmp_path / "sums.n1.md").write_text("mine")
        command = nights.home.start(*EVAL, "--occasion", "n1")
        assert command.wait() == 2
        assert "sums.n1.md (of unknown origin)" in command.output
        assert nights.simulator.books()["accepted"] == 0
        nights.eval("n1", "--force")
        assert nights.simulator.books()["accepted"] == REQUESTS


def test_a_place_that_is_none_is_refused_before_the_night_begins(tmp_path: Path) -> None:
    """Else the night would stand before all later ones. A better place is taken by the next call."""
    with nights_in(tmp_path) as nights:

        def code(*more: str) -> int:
            return nights.home.start(*EVAL, "--occasion", "n1", *more).wait()

        assert code("-o", "none/x") == 2
        assert nights.nights() == []
        nights.eval("n1")
        assert code("-o", "none/x") == 2
        assert code("-o", "other") == 0
        assert (tmp_path / "other.eval.json").exists()


def test_an_unfinished_night_comes_first(tmp_path: Path) -> None:
    """Both nights are finished by one command, and each is paid once."""
    with nights_in(tmp_path, "--median-s", "0.3", "--submit-ms", "15") as nights:
        nights.home.hold_above(REQUESTS // 3, nights.simulator)
        nights.home.wait_for_accepted(REQUESTS // 3, nights.home.start(*EVAL, "--occasion", "n1"))
        nights.home.kill()
        nights.simulator.switch(hold_after=None)
        nights.eval("n2")
        assert nights.nights() == [("sums@n1", "no_baseline"), ("sums@n2", "no_baseline")]
        assert nights.report("n1")["answers"]["answered"] == REQUESTS


def test_a_night_and_the_run_of_a_file_have_names_of_their_own(tmp_path: Path) -> None:
    """A file that is called like the suite and runs on the same occasion keeps no night from its verdict.

    Nor does it take the name of a night, or of its second measurement.
    """
    with nights_in(tmp_path) as nights:
        jobs = tmp_path / "sums.jsonl"
        jobs.write_text((tmp_path / "items.jsonl").read_text())
        (tmp_path / "sums.again.jsonl").write_text(jobs.read_text())

        def run(name: str, *more: str) -> tuple[int, str]:
            command = nights.home.start("run", f"{name}.jsonl", "-q", "--force", *more)
            return command.wait(), command.output

        assert run("sums", "--occasion", "n1")[0] == 0
        command = nights.home.start(*EVAL, "--occasion", "n1")
        assert command.wait() == 0, command.output
        assert "sums@n1 names another run: this is sums@n1.2" in command.output
        nights.eval("n2")
        assert nights.nights() == [("sums@n1.2", "no_baseline"), ("sums@n2", "no_baseline")]
        for name in ("sums", "sums.again"):
            code, output = run(name, "--occasion", "n2")
            assert code == 2
            assert f'the name "{name}@n2" belongs to a night of the suite sums; nothing was done' in output
        assert run("sums", "--occasion", "n2", "--new")[0] == 0
        names = nights.home.query("SELECT name FROM runs ORDER BY id")
        assert names == [("sums@n1",), ("sums@n1.2",), ("sums@n2",), ("sums@n2.2",)]


def test_two_commands_of_one_night_pay_once(tmp_path: Path) -> None:
    """Both wait for the same run and print the same verdict."""
    with nights_in(tmp_path) as nights:
        both = [nights.home.start(*EVAL, "--occasion", "n1") for _ in range(2)]
        assert [command.wait() for command in both] == [0, 0]
        assert nights.simulator.books()["accepted"] == REQUESTS
        assert nights.wrong("n1") == []
        assert nights.nights() == [("sums@n1", "no_baseline")]


def test_the_example_of_the_repository_is_measured(tmp_path: Path) -> None:
    """jobs/questions.suite.toml with the answers beside it: most are right, and all are graded."""
    answers = ("--answers", str(JOBS / "questions.answers.jsonl"))
    with Simulator(tmp_path, *NO_LIMITS, "--instant", *answers) as simulator:
        for name in ("questions.jsonl", "questions.suite.toml"):
            shutil.copy(JOBS / name, tmp_path)
        with LiveRunner(tmp_path, simulator) as home:
            command = home.start("eval", "questions.suite.toml", "--occasion", "n1", "-q")
            assert command.wait() == 0, command.output
    report = json.loads((tmp_path / "questions.n1.eval.json").read_text())
    graders = {grader["grader"]: grader for grader in report["graders"]}
    assert graders["correct"]["measured"] == 120
    assert 0.5 < graders["correct"]["mean"] < 1
