"""The ledger finds errors: a correct run that is damaged in one way gives an error of the right law."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ledger
import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = 40
REFUSED = ("r-1", "r-2", "r-3")  # ids of jobs that the API refuses: an effort that the model does not take
FAULTS = ("garbage=0.1", "lost=0.1", "failed=0.05", "500_after=0.1", "no_choices=0.05")
A_LOST_ONE = "(SELECT job_id FROM attempts WHERE outcome = 'lost' LIMIT 1)"


class Case:
    """A finished run on disk that a test damages: database, output files and books."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.books: dict[str, Any] = json.loads((folder / "books.json").read_bytes())
        self.limits: dict[str, int] = {}

    def sql(self, statement: str) -> None:
        """Execute a statement that must change at least one row."""
        with closing(sqlite3.connect(self.folder / "runner.db")) as connection, connection:
            assert connection.execute(statement).rowcount > 0, statement

    def lines(self, name: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Change the lines of an output file."""
        path = self.folder / name
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    def summary(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the summary file."""
        path = self.folder / "out.summary.json"
        summary = json.loads(path.read_bytes())
        change(summary)
        path.write_text(json.dumps(summary))

    def entry(self, outcome: str) -> dict[str, Any]:
        """Return the first entry in the books with this outcome."""
        first: dict[str, Any] = next(entry for entry in self.books["jobs"] if entry["outcome"] == outcome)
        return first

    def ledger_errors(self) -> list[str]:
        """Return what the ledger finds wrong."""
        url = f"sqlite:///{self.folder / 'runner.db'}"
        return ledger.check(
            url, self.folder / "out.jsonl", self.folder / "jobs.jsonl", self.books, limits=self.limits
        )


@pytest.fixture(scope="module")
def good_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a real run with faults, without ledger errors; tests damage copies of it."""
    folder = tmp_path_factory.mktemp("good")
    write_jobs(folder / "jobs.jsonl", JOBS)
    with (folder / "jobs.jsonl").open("a") as file:
        for name in REFUSED:  # so that the errors file has lines with any seed
            line = {"id": name, "model": "grok-build-0.1", "prompt": name, "user": name}
            line["reasoning_effort"] = "low"
            file.write(json.dumps(line) + "\n")
    flags = ("--instant", *(word for fault in FAULTS for word in ("--fault", fault)))
    with Simulator(folder, *NO_LIMITS, *flags, seed=3) as simulator, LiveRunner(folder, simulator) as home:
        home.start().wait()
        books = simulator.books()
        assert {entry["outcome"] for entry in books["jobs"]} >= {"lost", "garbage", "unanswered", "failed"}
        (folder / "books.json").write_text(json.dumps(books))
        with (
            closing(sqlite3.connect(home.database)) as original,
            closing(sqlite3.connect(folder / "runner.db")) as copy,
        ):
            original.backup(copy)
    shutil.rmtree(home.path)
    return folder


@pytest.fixture
def case(good_run: Path, tmp_path: Path) -> Case:
    """Return a copy of the correct run, to be damaged."""
    shutil.copytree(good_run, tmp_path, dirs_exist_ok=True)
    return Case(tmp_path)


def test_a_good_run_is_in_order(case: Case) -> None:
    """The ledger reports no error for a correct run."""
    assert case.ledger_errors() == []


BY_SQL = {
    "a job is gone": ("L1", "DELETE FROM jobs WHERE id = (SELECT MAX(id) FROM jobs)"),
    "a job has another name": ("L1", "UPDATE jobs SET custom_id = 'x' WHERE id = (SELECT MAX(id) FROM jobs)"),
    "a counter is wrong": (
        "L1",
        "UPDATE run_counters SET n = n + 1 WHERE kind = 'state' AND key = 'succeeded'",
    ),
    "a wrong counter was recounted": (
        "L1",
        "INSERT INTO run_events (run_id, at_ms, kind, cause) VALUES (1, 1, 'recounted', '')",
    ),
    "the total is wrong": ("L1", "UPDATE runs SET total = total + 1"),
    "an end changed": (
        "L2",
        (
            "UPDATE jobs SET state = 'held', finished_at_ms = NULL WHERE id ="
            " (SELECT id FROM jobs WHERE state = 'succeeded' LIMIT 1)"
        ),
    ),
    "bytes were changed": ("L3", "UPDATE results SET body = CAST(body || ' ' AS BLOB)"),
    "bytes and hash are gone": (
        "L3",
        "DELETE FROM results WHERE job_id = (SELECT id FROM jobs WHERE state = 'succeeded' LIMIT 1)",
    ),
    "an id was forgotten": (
        "L4",
        (
            "UPDATE attempts SET request_id = NULL WHERE outcome = 'succeeded' AND job_id ="
            " (SELECT id FROM jobs WHERE state = 'succeeded' LIMIT 1)"
        ),
    ),
    "an extra has no reason": ("L4", "UPDATE attempts SET outcome = 'accepted' WHERE outcome = 'lost'"),
    "an unknown outcome was not counted": (
        "L4",
        "UPDATE run_counters SET n = n - 1 WHERE kind = 'extra' AND key = 'ambiguous'",
    ),
    "a job forgot its extras": ("L4", "UPDATE jobs SET extras = 0 WHERE extras > 0"),
    "an acceptance was not counted": (
        "L4",
        "UPDATE run_counters SET n = n - 1 WHERE kind = 'attempts' AND key = 'accepted'",
    ),
    "an unknown outcome without a fault": (
        "L4",
        "UPDATE attempts SET outcome = 'ambiguous', request_id = NULL WHERE outcome = 'succeeded'",
    ),
    "an id that the API never gave": (
        "L5",
        (
            "UPDATE attempts SET request_id = 'unknown' WHERE rowid = (SELECT MIN(rowid) FROM attempts"
            " WHERE outcome = 'succeeded')"
        ),
    ),
    "a good result was recorded as lost": (
        "L5",
        (
            "UPDATE attempts SET outcome = 'lost' WHERE outcome = 'succeeded' AND job_id ="
            " (SELECT id FROM jobs WHERE state = 'succeeded' LIMIT 1)"
        ),
    ),
    "an answer was thrown away": (
        "L5",
        "DELETE FROM results WHERE job_id = (SELECT job_id FROM attempts WHERE outcome = 'unusable' LIMIT 1)",
    ),
    "polls are made up": (
        "L5",
        "UPDATE run_counters SET n = n + 999 WHERE kind = 'attempts' AND key = 'polls'",
    ),
    "an attempt is missing": ("L6", "DELETE FROM attempts WHERE outcome = 'lost'"),
    "sent again after an end": (
        "L6",
        f"UPDATE attempts SET outcome = 'refused' WHERE outcome = 'lost' AND job_id = {A_LOST_ONE}",
    ),
    "times go back": ("L6", "UPDATE attempts SET collected_at_ms = 1"),
    "recorded while another attempt was in flight": (
        "L6",
        f"UPDATE attempts SET marked_at_ms = 1, sent_at_ms = 1 WHERE attempt > 1 AND job_id = {A_LOST_ONE}",
    ),
    "a state without its attempt": (
        "L6",
        "UPDATE attempts SET outcome = 'unusable' WHERE outcome = 'succeeded'",
    ),
    "too much was spent": ("L7", "UPDATE jobs SET spent = 6 WHERE id = (SELECT MAX(id) FROM jobs)"),
    "sent again too often": ("L7", "UPDATE jobs SET extras = 4 WHERE id = (SELECT MAX(id) FROM jobs)"),
    "asked again without a recipe": (
        "L7",
        "UPDATE jobs SET asks = 1 WHERE id = (SELECT MAX(id) FROM jobs)",
    ),
    "asked again without an invalid answer": (
        "L4",
        "UPDATE jobs SET asks = 1 WHERE id = (SELECT MAX(id) FROM jobs)",
    ),
    "left again without an ask": (
        "L7",
        (
            "INSERT INTO attempts (job_id, attempt, lane, worker, outcome, marked_at_ms, polls)"
            " SELECT (SELECT MAX(id) FROM jobs), 90 + line, 'deferred', 1, 'unusable', 1, 0 FROM jobs LIMIT 4"
        ),
    ),
    "not at its end": ("L10", "UPDATE runs SET state = 'running'"),
    "a job is still in flight": (
        "L10",
        (
            "UPDATE jobs SET state = 'waiting', finished_at_ms = NULL WHERE id ="
            " (SELECT id FROM jobs WHERE state = 'succeeded' LIMIT 1)"
        ),
    ),
    "ticks are wrong": ("L11", "UPDATE attempts SET ticks = ticks + 1 WHERE ticks IS NOT NULL"),
    "a reservation was not released": (
        "L12",
        "UPDATE run_counters SET n = n + 1 WHERE kind = 'ticks' AND key = 'reserved'",
    ),
    "the summary has no budget": (
        "L12",
        """UPDATE runs SET options = '{"budget_ticks": 1000000000000}'""",
    ),
    "the budget was exceeded": (
        "L12 billed",
        """UPDATE runs SET options = '{"budget_ticks": 1}'""",
    ),
    "a bucket lost a tick": ("L13", "UPDATE run_series SET reported_ticks = reported_ticks - 1"),
    "a bucket and its counter forgot a request": (
        "L13 sent:",
        "DELETE FROM run_counters WHERE kind = 'attempts' AND key = 'sent'",
    ),
    "costs are those of another model": ("L13 ticks by model", "UPDATE run_series SET model = 'x' || model"),
    "costs are those of another day": (
        "L13 ticks by model",
        "UPDATE run_series SET at_ms = at_ms - 86400000",
    ),
    "a bucket is too wide": ("L13 a bucket", "UPDATE run_series SET width_s = 60"),
    "ticks are counted twice": (
        "L11",
        "UPDATE run_counters SET n = 2 * n WHERE kind = 'ticks' AND key = 'reported'",
    ),
}


@pytest.mark.parametrize(("law", "statement"), BY_SQL.values(), ids=BY_SQL.keys())
def test_a_spoilt_database_is_found(law: str, statement: str, case: Case) -> None:
    """Each statement breaks one law."""
    case.sql(statement)

    assert any(f"{error} ".startswith(f"{law} ") for error in case.ledger_errors())


def twice(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[-1]]


def reversed_order(lines: list[bytes]) -> list[bytes]:
    return lines[::-1]


def shortened(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


@pytest.mark.parametrize("change", [twice, reversed_order, shortened])
@pytest.mark.parametrize("name", ["out.jsonl", "out.errors.jsonl"])
def test_a_spoilt_output_is_found(
    name: str, change: Callable[[list[bytes]], list[bytes]], case: Case
) -> None:
    """A line is there twice, is missing, or the order is wrong."""
    case.lines(name, change)

    assert any(error.startswith("L2") for error in case.ledger_errors())


def test_another_answer_in_the_output_is_found(case: Case) -> None:
    """The output must contain the stored bytes unchanged."""
    case.lines("out.jsonl", lambda lines: [lines[0].replace(b'"assistant"', b'"assistent"'), *lines[1:]])

    assert any(error.startswith("L3 the output of") for error in case.ledger_errors())


def test_a_summary_that_tells_otherwise_is_found(case: Case) -> None:
    """Counts, extras, hashes and money of the summary are checked."""

    def change(summary: dict[str, Any]) -> None:
        summary["counts"]["succeeded"] -= 1
        summary["attempts"]["extra"]["lost"] += 1
        summary["files"]["results"]["sha256"] = "0"
        summary["cost"]["reported_ticks"] += 1
        summary["tokens"]["total"] += 1

    case.summary(change)
    errors = case.ledger_errors()

    for law in (
        "L1 the summary",
        "L4 extras: the summary",
        "L2 the summary",
        "L11 ticks differ",
        "L11 tokens differ",
    ):
        assert any(error.startswith(law) for error in errors), (law, errors)


def test_a_submission_that_nobody_recorded_is_found(case: Case) -> None:
    """The API accepted one more submission of a job than the attempts explain."""
    case.books["jobs"].append({**case.entry("fetched"), "request_id": "unknown", "outcome": "pending"})
    case.books["accepted"] += 1

    assert any(error.startswith("L4 the API accepted") for error in case.ledger_errors())


def test_an_answer_that_was_handed_out_for_nothing_is_found(case: Case) -> None:
    """The books have the result as cut, the database as stored."""
    case.entry("fetched")["outcome"] = "cut"

    assert any(error.startswith("L5") for error in case.ledger_errors())


def test_another_price_in_the_books_is_found(case: Case) -> None:
    """The API billed one tick more than the attempt has."""
    case.entry("fetched")["ticks"] += 1

    assert any(error.startswith("L11") for error in case.ledger_errors())


def test_a_window_above_its_limit_is_found(case: Case) -> None:
    """The greatest counts in the books are compared with the limits."""
    case.limits = {"rpm": JOBS - 1, "rps": 10_000}

    assert [error.split()[0] for error in case.ledger_errors()] == ["L8"]


def test_it_is_a_program(case: Case) -> None:
    """Exit 0 and one line when all laws hold, else exit 1 with the errors; --help lists the flags."""
    program = [sys.executable, str(Path(ledger.__file__))]
    words = [
        f"sqlite:///{case.folder / 'runner.db'}",
        *(str(case.folder / name) for name in ("out.jsonl", "jobs.jsonl", "books.json")),
    ]

    def call(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*program, *more], capture_output=True, text=True, timeout=120, check=False)

    assert (call(*words).returncode, call(*words).stdout) == (0, "the ledger is in order\n")
    assert call(*words, "--rpm", "1").returncode == 1
    assert "--crashed" in call("--help").stdout
