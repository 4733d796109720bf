"""Loading a job file: once, and all of its lines or none; on both databases."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import text

from runner.db.runs import removal, runs
from runner.db.runs.run_row import RunOptions
from runner.db.session import Database
from runner.embedded.file_lock import FileLock
from runner.intake import insert_jobs
from runner.intake.input_file import save_stdin
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.intake.load import LoadResult, WantedRun, load
from runner.rules.errors import JobFileError, UsageError
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SKIP: Final = LoadFlags(skip_bad=True)


def line(number: int, **fields: object) -> bytes:
    return (
        json.dumps({"id": f"r-{number}", "model": "grok-4.3", "prompt": "Say yes.", **fields}).encode()
        + b"\n"
    )


def file_of(folder: Path, *lines: bytes, name: str = "jobs.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"".join(lines))
    return path


def loaded(database: Database, source: Path, **options: Any) -> LoadResult:
    flags = options.pop("flags", LoadFlags())
    followed = {name: options.pop(name) for name in ("lock", "progress", "tally") if name in options}
    wanted = WantedRun(**{"options": RunOptions(), **options})
    return load(database, JobFile(source, flags), wanted, **followed)


def tables(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {
            table: connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
            for table in ("runs", "jobs", "payloads", "run_counters")
        }


def assert_empty(database: Database) -> None:
    assert set(tables(database).values()) == {0}


@contextmanager
def small_chunks(monkeypatch: pytest.MonkeyPatch, rows: int = 2) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setattr(insert_jobs, "ROWS_PER_COMMIT", rows)
        yield


def test_a_file_becomes_a_run_in_file_order(database: Database, tmp_path: Path) -> None:
    """Lines keep their numbers and bytes; the run is ready and has the name of its file."""
    source = file_of(tmp_path, line(1), b"\n", line(2, temperature=0.50))

    found = loaded(database, source)

    assert (found.total, found.is_new, found.bad_total) == (2, True, 0)
    with database.read() as connection:
        run = runs.find(connection, found.run_id)
        rows = connection.execute(text("SELECT line, custom_id FROM jobs ORDER BY id")).all()
    assert run is not None
    assert (run.state, run.name, run.total) == (RunState.READY, "jobs", 2)
    assert rows == [(1, "r-1"), (3, "r-2")]


def test_one_bad_line_at_the_end_loads_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line stays, though chunks were written before; every bad line is counted."""
    source = file_of(tmp_path, *(line(n) for n in range(7)), b"{broken\n", line(1), line(8))

    with small_chunks(monkeypatch), pytest.raises(JobFileError, match="2 bad lines") as refused:
        loaded(database, source)

    assert_empty(database)
    assert refused.value.where[0].startswith("line 8")
    assert "duplicate-id" in refused.value.where[1]
    assert "--skip-bad" in refused.value.fix


def test_only_the_first_findings_are_shown(database: Database, tmp_path: Path) -> None:
    """There are twenty, and a line with the number of the others."""
    source = file_of(tmp_path, line(1), *[b"{\n"] * 1_500)

    with pytest.raises(JobFileError, match="1,500 bad lines") as refused:
        loaded(database, source)

    assert len(refused.value.where) == 21
    assert "1,480 more" in refused.value.where[-1]


def test_the_same_file_again_is_the_same_run(database: Database, tmp_path: Path) -> None:
    """Its path does not matter; nothing is written twice."""
    source = file_of(tmp_path, line(1))
    first = loaded(database, source)
    before = tables(database)

    again = loaded(database, source)
    copy = loaded(database, file_of(tmp_path, line(1), name="copy.jsonl"))

    assert (again.run_id, again.is_new, again.total) == (first.run_id, False, 1)
    assert copy.run_id == first.run_id
    assert tables(database) == before


def test_new_loads_it_again_and_the_newest_run_is_continued(database: Database, tmp_path: Path) -> None:
    """A nightly job: the same file, another run."""
    source = file_of(tmp_path, line(1))
    first, second = loaded(database, source), loaded(database, source, new=True)

    assert second.is_new
    assert second.run_id != first.run_id
    assert loaded(database, source).run_id == second.run_id


def test_flags_and_names_that_shape_a_run_make_another(database: Database, tmp_path: Path) -> None:
    """The model and --name are part of a run's identity."""
    source = file_of(tmp_path, line(1))
    found = [
        loaded(database, source),
        loaded(database, source, flags=LoadFlags(model="grok-4.5")),
        loaded(database, source, name="mine"),
    ]

    assert len({one.run_id for one in found}) == 3
    assert loaded(database, source, name="mine").run_id == found[2].run_id


def test_a_run_of_the_earlier_default_model_is_carried_on(database: Database, tmp_path: Path) -> None:
    """After an update the same command finds the run that it loaded before, and pays nothing again."""
    source = tmp_path / "jobs.jsonl"
    source.write_bytes(b'{"id":"a","prompt":"x"}\n')
    before = loaded(database, source, flags=LoadFlags(model="grok-4"))

    after = loaded(database, source)

    assert (after.run_id, after.is_new) == (before.run_id, False)
    other = loaded(database, source, new=True)
    assert other.is_new


def test_a_changed_file_is_refused_with_a_choice(database: Database, tmp_path: Path) -> None:
    """The same path with other content: the user decides to pay for all of it again."""
    source = file_of(tmp_path, line(1))
    first = loaded(database, source)
    file_of(tmp_path, line(1), line(2))

    with pytest.raises(UsageError, match=f"belongs to run {first.run_id}") as refused:
        loaded(database, source)
    assert "--new" in refused.value.fix
    assert tables(database)["runs"] == 1

    assert loaded(database, source, new=True).total == 2


def test_a_name_with_other_content_is_refused(database: Database, tmp_path: Path) -> None:
    """Another file with the name of an existing run."""
    loaded(database, file_of(tmp_path, line(1)), name="mine")

    with pytest.raises(UsageError, match='the name "mine"'):
        loaded(database, file_of(tmp_path, line(2), name="other.jsonl"), name="mine")


def test_bad_lines_can_be_skipped_and_are_put_aside(database: Database, tmp_path: Path) -> None:
    """All of them unchanged, also those beyond the shown ones; the good lines are loaded."""
    bad = [b'{"n": %d\n' % number for number in range(1_200)]
    source = file_of(tmp_path, line(1), *bad, line(2), line(1), line(3))

    found = loaded(database, source, flags=SKIP)

    assert (found.total, found.bad_total) == (3, 1_201)
    assert (tmp_path / "jobs.bad.jsonl").read_bytes() == b"".join([*bad, line(1)])
    assert sorted(path.name for path in tmp_path.glob("jobs*")) == ["jobs.bad.jsonl", "jobs.jsonl"]
    with database.read() as connection:
        assert connection.execute(text("SELECT custom_id FROM jobs ORDER BY id")).scalars().all() == [
            "r-1",
            "r-2",
            "r-3",
        ]


WHOLE: Final = {
    "bad-gzip": gzip.compress(b"".join(line(n) for n in range(200)))[:-300],
    "utf16": line(1).decode().encode("utf-16"),
    "empty-file": b"",
    "all-bad": b"{\n[\n",
}


@pytest.mark.parametrize("code", WHOLE)
def test_a_broken_file_is_refused_even_where_bad_lines_are_skipped(
    database: Database, tmp_path: Path, code: str
) -> None:
    """The rest of the file is missing: a load of the part that is there would look complete."""
    source = file_of(tmp_path, WHOLE[code])

    with pytest.raises(JobFileError) as refused:
        loaded(database, source, flags=SKIP)

    assert code == "all-bad" or f"[{code}]" in refused.value.where[0]
    assert "--skip-bad" not in refused.value.fix
    assert_empty(database)
    assert [path.name for path in tmp_path.glob("jobs*")] == ["jobs.jsonl"]


def test_a_damaged_file_is_named_before_the_lines_that_come_of_it(database: Database, tmp_path: Path) -> None:
    """Its check sum, at the end, is what tells; to correct the lines would be no cure."""
    bad = b"".join(b'{"id": "r-%d"\n' % n for n in range(1_100))
    whole = gzip.compress(line(1) + bad)
    source = file_of(tmp_path, whole[:-8] + bytes(8))

    with pytest.raises(JobFileError) as refused:
        loaded(database, source, flags=SKIP)

    assert refused.value.what.endswith("has 1,101 bad lines; nothing was loaded")
    assert "line 1102: the gzip file is damaged" in refused.value.where[0]
    assert "[cut-line]" in refused.value.where[1]
    assert refused.value.fix.startswith("copy or make the file again")


@pytest.mark.parametrize("kind", ["notes", "folder", "link"])
def test_bad_lines_replace_nothing(database: Database, tmp_path: Path, kind: str) -> None:
    """What has the name stays, such as bad lines that a person has corrected; the next free name is taken."""
    source, there = file_of(tmp_path, line(1), b"{\n"), tmp_path / "jobs.bad.jsonl"
    if kind == "notes":
        there.write_text("mine")
    elif kind == "folder":
        there.mkdir()
    else:
        there.symlink_to(tmp_path / "nowhere")

    found = loaded(database, source, flags=SKIP)

    assert found.bad_path == tmp_path / "jobs.bad.2.jsonl"
    assert found.bad_path.read_bytes() == b"{\n"
    assert kind != "notes" or there.read_text() == "mine"
    again = loaded(database, source, flags=SKIP, new=True)
    assert again.bad_path == found.bad_path  # they are there already
    assert len([*tmp_path.glob("*.bad*")]) == 2


def test_bad_lines_of_no_good_name_load_nothing(database: Database, tmp_path: Path) -> None:
    """The error says what is too long, and what to do."""
    source = file_of(tmp_path, line(1), b"{\n", name="j" * 230 + ".jsonl")

    with pytest.raises(
        UsageError, match=r"cannot be put aside: .* is too long: 240 bytes, at most 233"
    ) as caught:
        loaded(database, source, flags=SKIP)

    assert "under a short name" in caught.value.fix
    assert_empty(database)
    assert [path.name for path in tmp_path.glob("j*")] == [source.name]


def test_a_refused_file_uses_up_no_number(database: Database, tmp_path: Path) -> None:
    """The next run has the id that was not used, in SQLite; one that was given since is never given again."""
    with pytest.raises(JobFileError):
        loaded(database, file_of(tmp_path, line(1), b"{\n"))
    first = loaded(database, file_of(tmp_path, line(1)))
    assert first.run_id == 1 or not database.is_sqlite
    second = loaded(database, file_of(tmp_path, line(2), name="b.jsonl"))
    removal.remove(database, second.run_id)  # it may have been sent: its id stays used
    removal.remove_unsent(database, first.run_id)
    third = loaded(database, file_of(tmp_path, line(3), name="c.jsonl"))
    assert third.run_id == first.run_id + 2


def test_warnings_load_unless_strict(database: Database, tmp_path: Path) -> None:
    """An unknown field is a warning; --strict refuses it."""
    source = file_of(tmp_path, line(1, temprature=0))

    with pytest.raises(JobFileError, match="--strict"):
        loaded(database, source, flags=LoadFlags(strict=True))
    assert_empty(database)

    found = loaded(database, source)
    assert found.warnings_total == len(found.warnings) == 1


def test_a_file_that_changes_while_it_is_read_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content that was hashed is what is loaded."""
    source = file_of(tmp_path, *(line(n) for n in range(5)))

    def grow(_lines: int, _bytes: int) -> None:
        with source.open("ab") as file:
            file.write(line(99))

    with small_chunks(monkeypatch), pytest.raises(JobFileError, match="changed while"):
        loaded(database, source, progress=grow)

    assert_empty(database)


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "device"])
def test_what_is_no_file_is_refused_and_nothing_hangs(tmp_path: Path, kind: str) -> None:
    """A pipe can be read once only, a device has no end."""
    source = tmp_path / "jobs.jsonl"
    if kind == "folder":
        source.mkdir()
    elif kind == "fifo":
        os.mkfifo(source)
    elif kind == "device":
        source = Path("/dev/zero")

    with closing(Database(f"sqlite:///{tmp_path / 'no.db'}")) as database, pytest.raises(UsageError):
        loaded(database, source)


LOADER: Final = """
import os, sys
from pathlib import Path
from runner.db.runs.run_row import RunOptions
from runner.db.session import Database
from runner.intake import insert_jobs
from runner.intake.job_file import LoadFlags
from runner.intake.job_file_input import JobFile
from runner.intake.load import WantedRun, load
insert_jobs.ROWS_PER_COMMIT = 2
def die(lines, size):
    if lines > 2:  # the first chunk is in the tables by now, the second maybe
        os.kill(os.getpid(), 9)
load(Database(sys.argv[1]), JobFile(Path(sys.argv[2]), LoadFlags()), WantedRun(options=RunOptions()),
     progress=die)
"""


@pytest.mark.parametrize("changed", [False, True], ids=["same", "changed"])
def test_a_loader_that_is_killed_leaves_nothing_after_the_next_load(
    database: Database, database_url: str, tmp_path: Path, changed: bool
) -> None:
    """A part of the file is in the tables; the next load, also of the changed file, removes it."""
    source = file_of(tmp_path, *(line(n) for n in range(5)))
    command = [sys.executable, "-c", LOADER, database_url, str(source)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert tables(database)["jobs"] in (2, 4)
    if changed:
        file_of(tmp_path, *(line(n) for n in range(6)))

    found = loaded(database, source)

    assert found.is_new
    assert found.total == 5 + changed
    assert tables(database) == {
        "runs": 1,
        "jobs": found.total,
        "payloads": found.total,
        "run_counters": 1,
    }


def test_loads_at_the_same_time_make_one_run(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four loaders of one file: one loads it, the others find it."""
    source = file_of(tmp_path, *(line(n) for n in range(40)))
    start = threading.Barrier(4)
    found: list[LoadResult] = []

    def load_it() -> None:
        with closing(Database(database_url)) as own:
            start.wait()
            found.append(loaded(own, source, lock=locked(tmp_path)))

    threads = [threading.Thread(target=load_it) for _ in range(4)]
    with small_chunks(monkeypatch, 7):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(one.is_new for one in found) == [False] * 3 + [True]
    assert {(one.run_id, one.total) for one in found} == {(found[0].run_id, 40)}
    assert tables(database)["jobs"] == 40


def locked(folder: Path) -> Callable[[str], Any]:
    """Return a function that returns the state folder's lock of a name."""

    @contextmanager
    def lock(name: str) -> Iterator[None]:
        file_lock = FileLock(folder / f"{name}.lock")
        file_lock.acquire_exclusive()
        try:
            yield
        finally:
            file_lock.release()

    return lock


def test_stdin_is_kept_by_its_content(tmp_path: Path) -> None:
    """The same bytes are the same private file; no other file stays."""
    first = save_stdin(io.BytesIO(line(1)), tmp_path / "stdin")
    again = save_stdin(io.BytesIO(line(1)), tmp_path / "stdin")

    assert first == again
    assert first.read_bytes() == line(1)
    assert first.stat().st_mode & 0o777 == 0o600
    assert list((tmp_path / "stdin").iterdir()) == [first]


def test_an_interrupted_stdin_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while reading leaves no file."""

    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_stdin(Interrupted(), tmp_path / "stdin")

    assert list((tmp_path / "stdin").iterdir()) == []


def test_a_stdin_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """As one that was opened for writing only; nothing stays behind."""
    with (
        os.fdopen(os.open(os.devnull, os.O_WRONLY), "rb") as stream,
        pytest.raises(UsageError, match="stdin cannot be read: bad file descriptor"),
    ):
        save_stdin(stream, tmp_path / "stdin")
    assert not [*(tmp_path / "stdin").iterdir()]
