"""The files of a run: every line in one place, the same bytes each time, foreign files unchanged."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import asdict
from run_driver import COST, RunDriver, new_run, received, settled
from sqlalchemy import text

from runner.db.counts import counters
from runner.db.jobs import ended_jobs
from runner.db.jobs.job_ids import job_id
from runner.db.moves import result_moves
from runner.db.runs import runs
from runner.output.file_owner import run_tag
from runner.output.files import paths
from runner.output.finished_runs import file_name
from runner.output.write import temporary_results, write_run
from runner.rules.errors import UsageError, UserError
from runner.rules.states import Event, JobState

if TYPE_CHECKING:
    from pathlib import Path

    from runner.db.session import Database

ANSWER = b'{\n  "model": "grok-4.3",\n  "choices": [{"message": {"content": "\xc3\xa4"}}]\n}\n'
ENDS = (
    JobState.SUCCEEDED,
    JobState.FAILED,
    JobState.HELD,
    JobState.CANCELLED,
    JobState.WAITING,
    JobState.SUCCEEDED,
)


@pytest.fixture
def driver(database: Database) -> RunDriver:
    """Load a run of 8 jobs: six in the states of ENDS, one succeeded with ANSWER, one pending."""
    driver = new_run(database, 8)
    for state in ENDS:
        driver.bring(state)
    (lease,) = driver.lease()
    driver.send(lease)
    driver.apply(result_moves.stored, received(lease.job_id, body=ANSWER))
    driver.apply(result_moves.settled, settled(lease.job_id, 1, Event.SUCCEEDED, JobState.SUCCEEDED, COST))
    return driver


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the parsed lines of a JSON lines file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_every_line_is_in_one_file_or_only_counted(driver: RunDriver, tmp_path: Path) -> None:
    """The lines are in input order; the counts of the summary add up to the total."""
    out = tmp_path / "out.jsonl"
    written = write_run(driver.database, driver.run_id, out)

    assert [line["custom_id"] for line in lines(out)] == ["r-1", "r-6", "r-7"]
    assert [line["custom_id"] for line in lines(tmp_path / "out.errors.jsonl")] == ["r-2", "r-3"]
    counts = json.loads((tmp_path / "out.summary.json").read_bytes())["counts"]
    assert asdict(written.summary.counts) == counts
    total = counts.pop("total")
    assert counts == {"succeeded": 3, "failed": 1, "cancelled": 1, "held": 1, "unfinished": 2}
    assert sum(counts.values()) == total == 8
    assert written.summary.examples == {"some-cause": "r-2"}


def test_the_answer_is_in_the_file_byte_for_byte_but_for_line_breaks(
    driver: RunDriver, tmp_path: Path
) -> None:
    """It is never parsed and written again."""
    write_run(driver.database, driver.run_id, tmp_path / "out.jsonl")

    last = (tmp_path / "out.jsonl").read_bytes().splitlines()[-1]
    assert ANSWER.strip().replace(b"\n", b" ") in last


def test_the_summary_has_the_digests_and_lines_of_the_other_two(driver: RunDriver, tmp_path: Path) -> None:
    """It is written last, when both are complete."""
    write_run(driver.database, driver.run_id, tmp_path / "out.jsonl")

    files = json.loads((tmp_path / "out.summary.json").read_bytes())["files"]
    for kind in ("results", "errors"):
        raw = (tmp_path / files[kind]["name"]).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == files[kind]["sha256"]
        assert raw.count(b"\n") == files[kind]["lines"]


def test_writing_again_gives_the_same_bytes(driver: RunDriver, tmp_path: Path) -> None:
    """Every time, in any folder."""
    (tmp_path / "b").mkdir()
    for out in (tmp_path / "out.jsonl", tmp_path / "out.jsonl", tmp_path / "b" / "out.jsonl"):
        write_run(driver.database, driver.run_id, out)

    for first, second in zip(paths(tmp_path / "out.jsonl"), paths(tmp_path / "b" / "out.jsonl"), strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert {path.name for path in paths(tmp_path / "out.jsonl")} == {
        path.name for path in tmp_path.iterdir() if "out" in path.name
    }


@pytest.mark.parametrize("name", ["out.jsonl", "out.errors.jsonl", "out.summary.json"])
def test_a_file_that_the_run_did_not_write_is_refused_and_stays(
    driver: RunDriver, tmp_path: Path, name: str
) -> None:
    """Each of the three is refused; --force replaces it."""
    foreign = tmp_path / name
    foreign.write_text('{"id": "of somebody else"}\n')

    with pytest.raises(UsageError, match="did not write") as caught:
        write_run(driver.database, driver.run_id, tmp_path / "out.jsonl")
    assert "--force" in caught.value.fix
    assert [foreign] == [path for path in paths(tmp_path / "out.jsonl") if path.exists()]

    write_run(driver.database, driver.run_id, tmp_path / "out.jsonl", force=True)
    assert foreign.read_text() != '{"id": "of somebody else"}\n'


def test_compressed_results_are_replaced_by_their_run_alone(driver: RunDriver, tmp_path: Path) -> None:
    """Known by what is in them; the errors are compressed as well, the summary is not."""
    out, errors = tmp_path / "out.jsonl.gz", tmp_path / "out.errors.jsonl.gz"
    write_run(driver.database, driver.run_id, tmp_path / "plain.jsonl")
    for _ in range(2):
        written = write_run(driver.database, driver.run_id, out)
        assert gzip.decompress(out.read_bytes()) == (tmp_path / "plain.jsonl").read_bytes()
        assert gzip.decompress(errors.read_bytes()) == (tmp_path / "plain.errors.jsonl").read_bytes()
    files = json.loads((tmp_path / "out.summary.json").read_bytes())["files"]
    assert files["results"]["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert files["results"]["bytes"] == out.stat().st_size
    assert files["results"]["lines"] == written.results.lines == 3

    out.write_bytes(gzip.compress(b""))  # as of a run without results
    write_run(driver.database, driver.run_id, out)
    for foreign in (gzip.compress(b"mine"), out.read_bytes()[:15]):
        out.write_bytes(foreign)
        with pytest.raises(UsageError, match="did not write"):
            write_run(driver.database, driver.run_id, out)
        assert out.read_bytes() == foreign


def test_results_in_a_temporary_folder_leave_nothing(driver: RunDriver, tmp_path: Path) -> None:
    """For stdout: the same bytes as in a file."""
    write_run(driver.database, driver.run_id, tmp_path / "out.jsonl")
    with temporary_results(driver.database, driver.run_id) as written:
        assert written.paths.results.read_bytes() == (tmp_path / "out.jsonl").read_bytes()
    assert not written.paths.results.parent.exists()


def test_no_place_for_temporary_files_is_an_error_with_its_cure(
    driver: RunDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TMPDIR says where they go."""
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(UserError, match="no place for temporary files") as caught:  # noqa: SIM117
        with temporary_results(driver.database, driver.run_id):
            pass
    assert "TMPDIR" in caught.value.fix


def test_another_run_of_the_same_file_is_another_run(driver: RunDriver, tmp_path: Path) -> None:
    """A repetition does not replace the results of the run before."""
    write_run(driver.database, driver.run_id, tmp_path / "out.jsonl")
    again = new_run(driver.database, 1)

    with pytest.raises(UsageError, match="did not write") as caught:
        write_run(driver.database, again.run_id, tmp_path / "out.jsonl")
    assert f"of run {driver.run_id}, by-hand" in caught.value.where[0]


@pytest.mark.parametrize("left", ["out.jsonl", "out.errors.jsonl"])
def test_files_of_an_interrupted_write_are_replaced(driver: RunDriver, tmp_path: Path, left: str) -> None:
    """After a kill between two renames there is no summary yet; the next write must still work."""
    write_run(driver.database, driver.run_id, tmp_path / "out.jsonl")
    for path in paths(tmp_path / "out.jsonl"):
        if path.name != left:
            path.unlink()

    assert write_run(driver.database, driver.run_id, tmp_path / "out.jsonl").results.lines == 3


def test_an_empty_file_is_replaced(driver: RunDriver, tmp_path: Path) -> None:
    """A run whose jobs all failed leaves an empty results file, which has no tag."""
    (tmp_path / "out.jsonl").touch()

    assert write_run(driver.database, driver.run_id, tmp_path / "out.jsonl").results.lines == 3


def test_the_tag_of_a_run_depends_on_its_row_only(driver: RunDriver) -> None:
    """It is the same in every folder and different for every repetition."""
    again = new_run(driver.database, 1)
    with driver.database.read() as connection:
        first, again_first, second = (
            runs.find(connection, n) for n in (driver.run_id, driver.run_id, again.run_id)
        )

    assert first is not None
    assert again_first is not None
    assert second is not None
    assert run_tag(first) == run_tag(again_first) != run_tag(second)


def test_an_unknown_run_is_refused(database: Database, tmp_path: Path) -> None:
    """No file is written for it."""
    with pytest.raises(UsageError, match="there is no run 99"):
        write_run(database, 99, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_all_files_are_of_one_snapshot_while_the_run_goes_on(database: Database) -> None:
    """A job that ends while the rows are read is neither among them nor counted."""
    driver = new_run(database, 3)
    driver.bring(JobState.SUCCEEDED)
    with database.read() as connection:
        pages = ended_jobs.pages(connection, job_id(driver.run_id, 0), job_id(driver.run_id + 1, 0), page=1)
        next(pages)
        driver.bring(JobState.SUCCEEDED)
        rest = [row for page in pages for row in page]
        counted = counters.read(connection, driver.run_id)["state", "succeeded"]

    assert (len(rest), counted) == (0, 1)


@pytest.mark.parametrize("letter", ["x", "日", "😀"])
def test_workers_give_a_run_of_any_name_a_file(driver: RunDriver, tmp_path: Path, letter: str) -> None:
    """Its name is cut by bytes: letters have up to four."""
    with driver.database.write() as connection:
        connection.execute(text("UPDATE runs SET name = :name"), {"name": f"a{letter * 200}"})
        run = runs.find(connection, driver.run_id)
    assert run is not None
    name = file_name(run)
    write_run(driver.database, driver.run_id, tmp_path / name)
    assert name.startswith("a")
    assert name.endswith(f"-{driver.run_id}.results.jsonl")
