"""Whole runs with labels: two commands at once, files that change, and what rows may hold."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from cli_calls import Called, engine_kept, run_command
from live_runner import NO_LIMITS, LiveRunner, Simulator, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Call = Callable[..., Called]

LABELS = ("--text", "review", "--labels", "mark: text", "--labels", "mood: good|bad", *NO_LIMITS)
FAULTS: Final = {"invalid": 0.1}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Start a simulator for all tests here; each counts what it sends by its own `books`."""
    folder = tmp_path_factory.mktemp("simulator")
    with Simulator(folder, *NO_LIMITS, "--median-s", "0.1") as started:
        started.switch(faults=FAULTS)
        yield started


@contextmanager
def held_back(simulator: Simulator) -> Iterator[None]:
    """Hand out no answer until the end of the block: what is under way cannot end within it."""
    simulator.switch(faults={**FAULTS, "fetch:503": 1.0})
    try:
        yield
    finally:
        simulator.switch(faults=FAULTS)


@pytest.fixture(scope="module")
def home(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRunner]:
    """Keep one engine for all tests here."""
    with LiveRunner(tmp_path_factory.mktemp("home"), simulator) as started, engine_kept(started.path):
        yield started


@pytest.fixture
def call(home: LiveRunner, tmp_path: Path) -> Call:
    """Return a function that runs a command in the test's folder, with exit code 0 or the given ones."""
    return lambda *words, **given: run_command(words, tmp_path, home.env, *given.pop("codes", (0,)), **given)


def write_table(path: Path, count: int, name: str) -> Path:
    """Write a CSV of reviews with marks that begin with `name`."""
    rows = "".join(f"{n},row {n} [label:mark={name}{n}] [label:mood=good]\n" for n in range(count))
    path.write_text("id,review\n" + rows)
    return path


def table_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a written CSV."""
    csv.field_size_limit(1 << 30)
    return list(csv.DictReader(io.StringIO(path.read_text(), newline="")))


def statuses(path: Path) -> list[str]:
    """Return the statuses of a written CSV."""
    return [row["_status"] for row in table_of(path)]


def run_id(home: LiveRunner, name: str) -> int:
    """Return the id of the newest run of a name."""
    return home.count(f"SELECT MAX(id) FROM runs WHERE name = '{name}'")


def submissions(home: LiveRunner, run: int) -> int:
    """Return how often jobs of a run were accepted."""
    sql = f"SELECT SUM(n) FROM run_counters WHERE run_id = {run} AND kind = 'attempts' AND key = 'accepted'"
    return home.count(sql)


def asked_again(home: LiveRunner, run: int) -> int:
    """Return how often jobs of a run were asked again."""
    return home.count(f"SELECT SUM(asks) FROM jobs WHERE id >> 32 = {run}")


def test_two_terminals_label_once_while_another_writes(
    simulator: Simulator, home: LiveRunner, call: Call, tmp_path: Path
) -> None:
    """One run, one set of submissions; a file written under way has each row, unfinished as it is."""
    table = write_table(tmp_path / "twice.csv", 150, "t")
    words = ("label", str(table), *LABELS, "-o", str(tmp_path / "twice.out.csv"))
    before = home.accepted()
    with held_back(simulator):
        both = home.start(*words), home.start(*words)
        wait_until(lambda: home.accepted() > before, "it has begun")
        call("write", "twice", "-o", "part.csv")
    assert [command.wait() in (0, 1) for command in both] == [True, True], both[0].output

    part, whole = table_of(tmp_path / "part.csv"), table_of(tmp_path / "twice.out.csv")
    assert [row["id"] for row in part] == [row["id"] for row in whole] == [str(n) for n in range(150)]
    assert {row["_status"] for row in part} == {"unfinished"}
    assert all(row["mark"] == f"t{row['id']}" for row in whole if row["_status"] == "ok")
    run = run_id(home, "twice")
    assert home.count("SELECT COUNT(*) FROM runs WHERE name = 'twice'") == 1
    assert submissions(home, run) == 150 + asked_again(home, run)


def test_another_prompt_is_another_run_and_said_so(home: LiveRunner, call: Call, tmp_path: Path) -> None:
    """Also where only the content of a template file has changed; the files of the first run stay."""
    write_table(tmp_path / "prompts.csv", 3, "p")
    (tmp_path / "ask.j2").write_text("Say: {{ review }}")
    labels = ("--labels", "mark: text", *NO_LIMITS)
    words = ("label", "prompts.csv", "--user", "ask.j2", *labels, "-o", "first.csv")
    call(*words, codes=(0, 1))
    first = (tmp_path / "first.csv").read_bytes()
    (tmp_path / "ask.j2").write_text("Tell: {{ review }}")
    refused = call(*words, codes=(2,))

    assert "would replace files that this run did not write" in refused.output
    assert "has the same table with another prompt or labels" in refused.output
    assert (tmp_path / "first.csv").read_bytes() == first
    call(*words[:-1], "second.csv", codes=(0, 1))
    assert home.count("SELECT COUNT(*) FROM runs WHERE name = 'prompts'") == 2
    sent = home.query(f"SELECT head FROM frames WHERE run_id = {run_id(home, 'prompts')}")
    assert len(sent) <= 1


def test_a_table_that_changes_under_way_is_refused_at_the_end(
    simulator: Simulator, home: LiveRunner, call: Call, tmp_path: Path
) -> None:
    """The labels are kept: they are joined with the table as it was, wherever that lies."""
    table = write_table(tmp_path / "changes.csv", 60, "c")
    shutil.copy(table, tmp_path / "kept.csv")
    before = home.accepted()
    with held_back(simulator):
        command = home.start("label", str(table), *LABELS, "-o", str(tmp_path / "changes.out.csv"))
        wait_until(lambda: home.accepted() > before, "it has begun")
        with table.open("a") as file:
            file.write("60,one more\n")

    assert command.wait() == 2
    assert "is not the table that run" in command.output
    assert not (tmp_path / "changes.out.csv").exists()
    call("write", "changes", "--input", "kept.csv", "-o", "changes.out.csv")
    assert len(statuses(tmp_path / "changes.out.csv")) == 60


def test_ctrl_c_keeps_what_is_done_and_the_same_command_ends_it(
    simulator: Simulator, home: LiveRunner, tmp_path: Path
) -> None:
    """Nothing is asked twice."""
    table = write_table(tmp_path / "stopped.csv", 200, "s")
    words = ("label", str(table), *LABELS, "-o", str(tmp_path / "stopped.out.csv"))
    before = home.accepted()
    with held_back(simulator):
        command = home.start(*words)
        home.wait_for_accepted(before + 10, command)
        wait_until(lambda: " waiting, " in command.output, "the command follows the run")
        os.kill(command.pid, signal.SIGINT)
        assert command.wait() == 130
    assert "to continue: runner label" in command.output
    again = home.start(*words)
    assert again.wait() in (0, 1), again.output
    rows = table_of(tmp_path / "stopped.out.csv")
    assert [row["id"] for row in rows] == [str(n) for n in range(200)]
    assert all(row["mark"] == f"s{row['id']}" for row in rows if row["_status"] == "ok")
    run = run_id(home, "stopped")
    assert submissions(home, run) == 200 + asked_again(home, run)


def test_rows_of_any_content_come_out_as_they_went_in(home: LiveRunner, call: Call, tmp_path: Path) -> None:
    """A cell of 1 MB, 10,000 columns, template marks, escapes, NUL, a closing tag: text, and nothing else."""
    hostile = (
        "{{7*7}}",
        "{% for x in y %}",
        "\x1b[2J\x1b[31m",
        "a\x00b",
        '</row><row n="2">',
        "x" * 1_000_000,
    )
    names = [f"c{n}" for n in range(10_000)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["review", *names])
    for n, part in enumerate(hostile):
        writer.writerow([f"{part} [label:mark=h{n}] [label:mood=bad]", *("v" * (n % 2) for _ in names)])
    (tmp_path / "hostile.csv").write_text(text.getvalue(), newline="")
    done = call("label", "hostile.csv", *LABELS, codes=(0, 1))

    assert "\x1b" not in done.output
    lines = (tmp_path / "hostile.labeled.csv").read_text().split("\n")
    before = text.getvalue().split("\n")
    assert [line[: len(old)] for line, old in zip(lines, before, strict=True)] == before
    rows = table_of(tmp_path / "hostile.labeled.csv")
    assert [row["mark"] for row in rows if row["_status"] == "ok"] == [
        f"h{n}" for n, row in enumerate(rows) if row["_status"] == "ok"
    ]
    run = run_id(home, "hostile")
    bodies = home.query(f"SELECT body FROM payloads WHERE job_id >> 32 = {run} ORDER BY job_id")
    sent = [json.loads(bytes(body)) for (body,) in bodies]
    assert [part in content for part, content in zip(hostile, sent, strict=True)] == [True] * len(hostile)


def test_a_sample_sends_only_its_rows(call: Call, tmp_path: Path) -> None:
    """The others are excluded, and the same command takes the same rows."""
    write_table(tmp_path / "many.csv", 40, "m")
    call("label", "many.csv", *LABELS, "--sample", "3", "-o", "three.csv", codes=(0, 1))
    first = statuses(tmp_path / "three.csv")
    call("label", "many.csv", *LABELS, "--sample", "3", "-o", "three.csv", codes=(0, 1))

    assert first.count("excluded") == 37
    assert statuses(tmp_path / "three.csv") == first


@pytest.mark.parametrize("flags", [(), ("--where", "id == 'none'")], ids=["header", "where"])
def test_without_rows_to_send_the_table_is_written_and_nothing_sent(
    flags: tuple[str, ...], home: LiveRunner, call: Call, tmp_path: Path
) -> None:
    """Exit 0, the header and the added columns, counts of 0."""
    write_table(tmp_path / "none.csv", 5 if flags else 0, "n")
    before = home.accepted()
    call("label", "none.csv", *LABELS, *flags)

    assert (tmp_path / "none.labeled.csv").read_text().startswith("id,review,mark,mood,_status,_error\n")
    assert statuses(tmp_path / "none.labeled.csv") == ["excluded"] * (5 if flags else 0)
    assert home.accepted() == before


def test_bad_rows_are_refused_or_skipped(call: Call, tmp_path: Path) -> None:
    """Without --skip-bad nothing is loaded; with it they keep their place."""
    rows = ["1,one [label:mark=1]", "2,", "3,three [label:mark=3]"]
    (tmp_path / "bad.csv").write_text("id,review\n" + "\n".join(rows) + "\n")
    refused = call("label", "bad.csv", *LABELS, codes=(3,))
    assert "row 2, column review" in " ".join(refused.output.split())

    done = call("label", "bad.csv", *LABELS, "--skip-bad", codes=(0, 1))
    assert "skipped 1 bad row; the output says why: _status is skipped" in done.output
    assert statuses(tmp_path / "bad.labeled.csv")[1] == "skipped"


def test_a_table_from_stdin_can_be_written_again(call: Call, tmp_path: Path) -> None:
    """It is kept, so its rows are known when the labels are joined."""
    table = write_table(tmp_path / "source.csv", 4, "i")
    done = call("label", "-", *LABELS, "-o", "in.csv", codes=(0, 1), stdin=table.read_bytes())

    assert len(statuses(tmp_path / "in.csv")) == 4, done.output
    first = (tmp_path / "in.csv").read_bytes()
    call("label", "-", *LABELS, "-o", "in.csv", codes=(0, 1), stdin=table.read_bytes())
    assert (tmp_path / "in.csv").read_bytes() == first


def test_labels_that_look_like_formulas_are_harmless_in_a_spreadsheet(call: Call, tmp_path: Path) -> None:
    """As they are without the flag; with it neither a cell nor a label begins like a formula."""
    (tmp_path / "sums.csv").write_text('id,review\n=1+1,"go [label:mark==cmd()|calc] [label:mood=bad]"\n')
    call("label", "sums.csv", *LABELS, codes=(0, 1))
    call("write", "sums", "--spreadsheet", "-o", "safe.csv")

    rows = list(csv.reader(io.StringIO((tmp_path / "safe.csv").read_bytes().decode("utf-8-sig"))))
    assert (tmp_path / "sums.labeled.csv").read_text().splitlines()[1].startswith("=1+1,")
    assert [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []
