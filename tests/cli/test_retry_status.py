"""`runner retry --status`: rows of a labeled table are sent again, or their answers checked again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from labeled_run import answer, labeled_run, labels_of, recipe_of
from run_driver import NOW_MS
from terminal import Terminal
from test_sample import Home

from runner.db.runs import run_end, run_moves, runs
from runner.rules.labels.row_status import RowStatus
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeled_run import LabeledRun

S = RowStatus
STATUSES: Final = (S.OK, S.INVALID, S.FAILED, S.HELD, S.CANCELLED, S.INVALID)
PROSE: Final = answer(f"Sure: {json.dumps(labels_of(2))}")
OFF: Final = recipe_of(ask={"repair": False})
FAILS_AGAIN: Final = """CREATE TRIGGER fails_again AFTER UPDATE OF state ON jobs
    WHEN NEW.state = 'pending' AND NEW.lease_gen < 9 BEGIN UPDATE jobs
    SET state = 'failed', error_code = 'invalid', finished_at_ms = 1 WHERE id = NEW.id; END"""


@pytest.fixture
def home(tmp_path: Path, migrated_file: Path) -> Iterator[Home]:
    made = Home(tmp_path, migrated_file)
    yield made
    made.database.close()


def loaded(home: Home, recipe: str = OFF, statuses: Sequence[RowStatus] = STATUSES) -> LabeledRun:
    """Load a run that has ended; the answer of row 2 fits after a repair, that of row 6 never."""
    bodies = {2: PROSE, 6: answer("no idea")}
    run = labeled_run(home.database, home.folder / "reviews.csv", statuses, recipe=recipe, bodies=bodies)
    end(run)
    return run


def end(run: LabeledRun) -> None:
    with run.database.write() as connection:
        assert run_end.finish_if_done(connection, run.run_id, NOW_MS)


def states(run: LabeledRun) -> list[str]:
    return [run.driver.state(job).value for job in run.jobs.values()]


@pytest.mark.parametrize(
    ("status", "rows"),
    [("invalid", [2, 6]), ("failed", [3]), ("held", [4]), ("cancelled", [5]), ("Invalid", [2, 6])],
)
def test_the_rows_with_a_status_are_sent_again(home: Home, status: str, rows: list[int]) -> None:
    """No others: an invalid row is a failed job with a code of its own."""
    run = loaded(home)

    planned = home.output("retry", "1", "--status", status, "--dry-run")
    assert planned.startswith(f"would send {len(rows)} row")
    home.output("retry", "1", "--status", status, "--yes")

    pending = [row for row, job in run.jobs.items() if run.driver.state(job) == "pending"]
    assert pending == rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--status", "invalidd"], 'there is no status "invalidd"; did you mean "invalid"?'),
        (["--status", "ok"], "rows that are ok are not sent again: they have their labels"),
        (["--status", "excluded"], "rows that are excluded are not sent again: they were left out"),
        (["--status", "invalid", "--failed"], "--status stands alone"),
        (["--status", "invalid", "--lost"], "--status stands alone"),
        (["--status", "invalid", "--code", "length"], "rows that are invalid have the code invalid"),
        (["--repair"], "answers that are there are repaired, or not, where they are checked again"),
        (["--judge", "--failed"], "--judge checks the answers of all invalid rows"),
        (["--judge", "--status", "held"], "--judge checks the answers of all invalid rows"),
        (["--judge", "--code", "length"], "--judge checks the answers of all invalid rows"),
        (["--judge", "--set-model", "grok-4"], "--judge checks the answers of all invalid rows"),
    ],
)
def test_what_is_no_choice_is_refused(home: Home, words: list[str], message: str) -> None:
    """In a sentence with a cure, and nothing is moved."""
    run = loaded(home)
    before = states(run)

    shown = home.output("retry", "1", *words, "--yes", code=2)

    assert message in shown
    assert "\nfix: " in shown
    assert states(run) == before


def test_answers_that_fit_after_a_repair_get_their_labels_without_a_request(home: Home) -> None:
    """The run stays ended, its table has the labels, and the switch is kept."""
    run = loaded(home)

    shown = home.output("retry", "1", "--status", "invalid", "--judge", "--repair")

    assert shown.splitlines() == [
        "2 rows of run 1 checked again, with repair; nothing was sent",
        "1 row that had no labels: ok now",
        "to write the table again: runner write 1",
    ]
    assert states(run) == ["succeeded", "succeeded", "failed", "held", "cancelled", "failed"]
    with home.database.read() as connection:
        found = runs.find(connection, 1)
        assert found is not None
        assert found.state == "finished"
        assert json.loads(found.recipe or "")["ask"]["repair"] is True
    written = home.stdout("summary", "1", "--json")
    assert json.loads(written)["rows"]["ok"] == 2
    home.output("write", "1", "-o", "labeled.csv")
    assert "text 2,bad,mark-2,ok," in (home.folder / "labeled.csv").read_text()


def test_without_repair_rows_lose_their_labels_and_get_them_back(home: Home) -> None:
    """The table and the summary agree in between."""
    run = loaded(home, statuses=(S.OK, S.INVALID))
    home.output("retry", "1", "--judge", "--repair")

    shown = home.output("retry", "1", "--judge", "--no-repair")
    home.output("write", "1", "-o", "labeled.csv")

    assert "1 row that had labels: invalid now" in shown
    assert states(run) == ["succeeded", "failed"]
    assert json.loads(home.stdout("summary", "1", "--json"))["rows"]["invalid"] == 1
    assert "text 2,,,invalid," in (home.folder / "labeled.csv").read_text()
    home.output("retry", "1", "--judge", "--repair")
    assert states(run) == ["succeeded", "succeeded"]


def test_a_dry_run_shows_the_counts_and_changes_nothing(home: Home) -> None:
    """Neither jobs nor the switch."""
    run = loaded(home)
    before = states(run)

    shown = home.output("retry", "1", "--judge", "--repair", "--dry-run")
    as_json = json.loads(home.stdout("retry", "1", "--judge", "--repair", "--dry-run", "--json"))

    what = "check 2 stored answers of run 1 again: 1 fit now, 0 do not fit any more"
    assert shown == f"would {what}\n"
    assert as_json["would"] == what
    assert states(run) == before
    with home.database.read() as connection:
        found = runs.find(connection, 1)
    assert found is not None
    assert found.recipe == OFF


def test_that_nothing_changed_is_said(home: Home) -> None:
    """By the rules as they are."""
    loaded(home)

    shown = home.output("retry", "1", "--judge")

    assert shown.splitlines() == [
        "3 rows of run 1 checked again, without repair; nothing was sent",
        "no row has changed",
    ]


def test_a_run_at_work_is_not_checked_again(home: Home) -> None:
    """Workers check its answers by the rules that they have read."""
    labeled_run(home.database, home.folder / "reviews.csv", (S.OK, S.INVALID), recipe=OFF)

    shown = home.output("retry", "1", "--judge", "--repair", code=2)

    assert "run 1 is running: its answers are being checked" in shown
    assert "runner watch 1" in shown


def test_the_summary_names_the_command_of_each_failure(home: Home) -> None:
    """With an example row; each command chooses just these rows."""
    loaded(home)

    shown = home.stdout("summary", "1")
    failures = shown[shown.index("failures") :].splitlines()

    for command in ("--status invalid", "--failed --code some-cause", "--status held", "--status cancelled"):
        assert f"      runner retry 1 {command}" in failures
    assert failures[1].split() == ["2", "invalid", "such", "as", "row-2"]
    assert "runner show 1 row-2 says what is wrong." in " ".join(map(str.strip, failures))
    assert "  to look at some: runner sample 1 --status invalid" in failures
    assert all(len(line) <= 80 for line in failures)


def test_a_row_that_fails_again_at_once_is_sent_once(home: Home) -> None:
    """A worker may be as fast as the command: what was asked of the user was one request."""
    run = loaded(home, statuses=(S.INVALID,))
    (job,) = run.jobs.values()
    before = run.driver.row(job).lease_gen
    with home.database.write() as connection:
        connection.exec_driver_sql(FAILS_AGAIN)

    shown = home.output("retry", "1", "--status", "invalid", "--yes")

    assert "1 row of run 1 will be sent again" in shown
    assert run.driver.row(job).lease_gen == before + 1


def test_rows_that_another_command_sends_again_meanwhile_are_not_counted(home: Home) -> None:
    """Two persons are asked; one of them answers first."""
    loaded(home)
    words = [sys.executable, "-m", "runner", "retry", "1", "--status", "invalid"]
    with Terminal(home.folder, words, home.env | {"PYTHONPATH": str(Path(__file__).parents[2])}) as terminal:
        terminal.shows("send 2 rows of run 1 again", "[y/N]")
        home.output("retry", "1", "--status", "invalid", "--yes")
        terminal.press("y")
        terminal.press("Enter")

        terminal.shows("no row of run 1 is left to send again: another command was faster", "exit code 0")


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        (PauseReason.BUDGET, "runner resume 1 --budget USD"),
        (PauseReason.LIMIT, "runner start 1"),  # sends these rows; --limit none would send all others, too
        (PauseReason.USER, "runner start 1"),
    ],
)
def test_the_command_that_sends_them_would_not_stop_at_once(
    home: Home, reason: PauseReason, command: str
) -> None:
    """A run whose budget is used needs a larger one."""
    labeled_run(home.database, home.folder / "reviews.csv", STATUSES, recipe=OFF)
    with home.database.write() as connection:
        assert run_moves.pause(connection, 1, reason, "because", NOW_MS)

    shown = home.output("retry", "1", "--status", "invalid", "--yes")

    assert f"to send them: {command}\n" in shown


def test_show_names_no_command_that_shows_the_same(home: Home) -> None:
    """What is wrong stands with the attempts, below."""
    loaded(home)

    shown = home.stdout("show", "1", "row-2")

    assert "its attempts say what is wrong" in " ".join(shown.split())
    assert "runner show" not in shown
