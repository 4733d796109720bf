"""`runner check`: estimates and diagnostics before anything is sent; nothing is stored."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from run_driver import COST, RunDriver, received, settled
from test_commands import Place

from runner.db.moves import result_moves
from runner.db.runs import run_moves
from runner.db.session import Database
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from pathlib import Path

LINE = '{"id": "r-%d", "model": "%s", "prompt": "Say %d.", "max_completion_tokens": 50}\n'
MEMORY_MAX_KB = 150_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return an empty folder with a state folder path."""
    return Place(tmp_path)


def write(place: Place, count: int = 40, model: str = "grok-4.3") -> None:
    """Write a job file."""
    place.write("jobs.jsonl", "".join(LINE % (n, model, n) for n in range(count)))


def json_of(place: Place, flags: str = "", stdin: str = "") -> dict[str, Any]:
    """Run `runner check --json`; return the object."""
    done = place.call(f"check {'-' if stdin else 'jobs.jsonl'} --json {flags}", stdin)
    assert done.code in (0, 3), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_good_file_is_reported_in_80_columns_and_nothing_is_kept(place: Place) -> None:
    """No key, no engine, no state folder; plain text."""
    write(place)
    done = place.call("check jobs.jsonl")

    assert (done.code, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    for words in ("40 jobs", "no bad lines", "grok-4.3", "0.0153-0.3053", "assumed", "requests a minute"):
        assert words in done.stdout
    assert not place.home.exists()


def test_a_table_of_long_names_and_large_numbers_keeps_to_80_columns(place: Place) -> None:
    """The name of a model is cut where the numbers leave it no room."""
    model = "grok-4.20-0309-non-reasoning"
    lines = (json.dumps({"id": str(n), "model": model, "prompt": "Hi"}) for n in range(1_000))
    place.write("jobs.jsonl", "\n".join(lines))
    place.write("runner.toml", f'[prices."{model}"]\ninput = 1.0\noutput = 99999.0\n')
    shown = place.call("check jobs.jsonl").stdout.splitlines()

    assert max(map(len, shown)) <= 80
    (row,) = (line for line in shown if line.startswith("  grok-4.20-0309-non"))
    assert "…" in row


def test_the_object_is_the_same_in_numbers(place: Place) -> None:
    """Input of 2 tokens and 4 of the message, 50 at most and reasoning out; the limits of the catalogue."""
    write(place)
    found = json_of(place)

    assert set(found) == {
        *("schema", "file", "bytes", "sha256", "lines", "jobs", "accepted", "bad", "warnings", "tokens"),
        *("cost", "time", "models", "assumption", "prices_as_of"),
    }
    assert (found["schema"], found["jobs"], found["lines"], found["accepted"]) == (1, 40, 40, True)
    assert found["bytes"] == (place.folder / "jobs.jsonl").stat().st_size
    assert found["tokens"] == {"input": 40 * 6, "output": {"low": 40 * 150, "high": 40 * 3_050}}
    low, high = (40 * (6 * 12_500 + out * 25_000) for out in (150, 3_050))
    assert found["cost"] == {
        "usd": {"low": f"{low / 10**10:.8f}", "high": f"{high / 10**10:.8f}"},
        "unpriced_jobs": 0,
    }
    (model,) = found["models"]
    assert (model["limits"], model["bound_by"]) == ({"rpm": 1_800, "tpm": 10_000_000}, "requests")
    assert (model["answered_by"], model["retired_on"]) == ("grok-4.3", None)


def test_bad_lines_are_reported_and_refuse_the_file(place: Place) -> None:
    """The first 20, then a count; exit 3 without --skip-bad; the good lines are estimated anyway."""
    write(place, 10)
    with (place.folder / "jobs.jsonl").open("a") as file:
        file.writelines(["{oops\n"] * 25)
    done = place.call("check jobs.jsonl")

    assert done.code == 3
    assert done.stdout.count("[invalid-json]") == 20
    assert "line 11, column 2" in done.stdout
    assert "25 bad lines" in done.stdout
    assert "5 more" in done.stdout
    assert "10 jobs" in done.stdout
    assert place.call("check jobs.jsonl --skip-bad").code == 0
    found = json_of(place)
    assert (found["accepted"], found["bad"]["total"], len(found["bad"]["shown"])) == (False, 25, 20)


def test_a_retired_model_is_reported_with_its_successor_and_refused_by_strict(place: Place) -> None:
    """It is a warning, and the price is that of the model that answers."""
    write(place, model="grok-4")
    found = json_of(place)

    assert found["warnings"]["total"] == 40
    (model,) = found["models"]
    assert (model["retired_on"], model["answered_by"]) == ("2026-05-15", "grok-4.3")
    done = place.call("check jobs.jsonl --strict")
    assert done.code == 3
    assert "retired on 2026-05-15" in done.stdout


def test_a_model_without_a_price_is_unknown_and_own_prices_make_it_known(place: Place) -> None:
    """Never 0; runner.toml gives the price."""
    write(place, model="my-model")
    assert json_of(place)["cost"] == {"usd": None, "unpriced_jobs": 40}
    assert "unknown" in place.call("check jobs.jsonl").stdout

    place.write("runner.toml", '[prices."my-model"]\ninput = 1.0\noutput = 2.0\n')
    cost = json_of(place, "--expect-output 100")["cost"]
    assert cost["usd"]["high"] == f"{40 * (6 * 10_000 + 100 * 20_000) / 10**10:.8f}"


def test_the_limits_given_say_how_long_it_takes(place: Place) -> None:
    """And which of them is the bottleneck."""
    write(place)
    time = json_of(place, "--rpm 20 --tpm none")["time"]
    assert time == {"seconds": {"low": 120, "high": 120}, "model": "grok-4.3", "bound_by": "requests"}
    assert json_of(place, "--rpm none --tpm 61120")["time"]["seconds"]["high"] == 120
    assert json_of(place, "--rpm none --tpm none")["models"][0]["limits"]["rpm"] == 1_800
    place.write("runner.toml", 'team_rpm = "none"\nteam_tpm = "none"\n')
    assert json_of(place)["time"]["bound_by"] == "nothing"


def test_stdin_is_checked_without_being_kept(place: Place) -> None:
    """In the same way as a file."""
    assert json_of(place, stdin=LINE % (1, "grok-4.3", 1))["jobs"] == 1
    assert not place.home.exists()


@pytest.mark.parametrize("word", ["nothing.jsonl", "."])
def test_what_cannot_be_read_is_reported_in_one_sentence(place: Place, word: str) -> None:
    """Exit 2."""
    done = place.call(f"check {word}")
    assert done.code == 2
    assert "cannot be read" in done.stderr or "is not a file with jobs" in done.stderr


def test_earlier_runs_of_the_file_give_the_output_tokens(place: Place) -> None:
    """By content or by path; the database is only read."""
    write(place)
    assert place.call("load jobs.jsonl").stdout == "1\n"
    database = Database(f"sqlite:///{place.home / 'runner.db'}")
    with database.write() as connection:
        run_moves.start(connection, 1, 1_800_000_000_000)
    driver = RunDriver(database, 1)
    cost = replace(COST, prompt_tokens=700, completion_tokens=40, total_tokens=1_000)
    for lease in driver.lease(40):
        driver.send(lease)
        driver.apply(result_moves.stored, received(lease.job_id))
        driver.apply(
            result_moves.settled, settled(lease.job_id, 1, Event.SUCCEEDED, JobState.SUCCEEDED, cost)
        )
    before = driver.counts()
    found = json_of(place)

    assert "run 1" in found["assumption"]
    output = found["tokens"]["output"]
    assert output["low"] <= 40 * 300 <= output["high"] <= 40 * 300 * 1.25
    assert json_of(place, "--expect-output 5")["tokens"]["output"] == {"low": 200, "high": 200}
    assert driver.counts() == before
    database.close()
    place.write("jobs.jsonl", LINE % (1, "grok-4.3", 99))
    assert "run 1" in json_of(place)["assumption"], "the path is known, its content is new"


def test_a_large_file_is_checked_in_flat_memory(place: Place) -> None:
    """100,000 lines, the bad ones among them."""
    with (place.folder / "jobs.jsonl").open("w") as file:
        for n in range(100_000):
            file.write(LINE % (n, "grok-4.3", n) if n % 10 else "{oops\n")
    code = (
        "import shutil, sys; from runner.cli import main; code = main.call(['check', 'jobs.jsonl']);"
        "shutil.copy('/proc/self/status', 'status'); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place.folder,
        env=place.env,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 3
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", (place.folder / "status").read_text())
    assert int(peak) < MEMORY_MAX_KB
