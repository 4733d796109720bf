"""Output files appear whole or not at all, and errors are sentences."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runner.output.files import DraftFile, check_place, default_output, paths, publish, write_whole
from runner.rules.errors import UserError

HANGS_IN_A_DRAFT = """
import sys, time
from pathlib import Path
from runner.output.files import DraftFile
with DraftFile(Path(sys.argv[1])) as draft:
    draft.add(b"half a line")
    draft.finish()
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("output", "results", "errors", "summary"),
    [
        ("out.jsonl", "out.jsonl", "out.errors.jsonl", "out.summary.json"),
        ("a.results.jsonl", "a.results.jsonl", "a.results.errors.jsonl", "a.results.summary.json"),
        ("labels", "labels", "labels.errors.jsonl", "labels.summary.json"),
        ("labels.json", "labels.json", "labels.json.errors.jsonl", "labels.json.summary.json"),
    ],
)
def test_the_three_names_come_from_the_one_given(
    output: str, results: str, errors: str, summary: str
) -> None:
    """OUT.jsonl gives OUT.errors.jsonl and OUT.summary.json; any other name works as well."""
    assert [Path("in", name) for name in (results, errors, summary)] == list(paths(Path("in", output)))


@pytest.mark.parametrize("source", ["a/b/reviews.jsonl", "reviews.jsonl.gz", "/reviews"])
def test_the_default_output_is_in_the_current_folder(source: str) -> None:
    """It has the input's name without its suffixes."""
    assert Path("reviews.results.jsonl") == default_output(Path(source))


def test_a_published_draft_is_there_with_its_digest_and_its_lines(tmp_path: Path) -> None:
    """The facts returned are those of the bytes on disk."""
    target = tmp_path / "out.jsonl"
    with DraftFile(target) as draft:
        for number in range(3):
            draft.add(b"line %d\n" % number)
        facts = draft.finish()
        assert not target.exists()
        publish([draft])

    written = target.read_bytes()
    assert (written, 3, len(written)) == (b"line 0\nline 1\nline 2\n", facts.lines, facts.bytes)
    assert hashlib.sha256(written).hexdigest() == facts.sha256
    assert [target] == list(tmp_path.iterdir())


def test_a_draft_left_without_publishing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A part of a file never appears under its name."""
    target = tmp_path / "out.jsonl"
    target.write_text("old")

    with DraftFile(target) as draft:
        draft.add(b"new")
        draft.finish()

    assert target.read_text() == "old"
    assert [target] == list(tmp_path.iterdir())


def test_a_draft_of_a_killed_process_is_removed_by_the_next_one_a_living_one_is_not(tmp_path: Path) -> None:
    """The draft of the living process has the kernel's lock."""
    target = tmp_path / "out.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", HANGS_IN_A_DRAFT, str(target)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        (part,) = tmp_path.iterdir()

        write_whole(target, "first")
        assert {part, target} == set(tmp_path.iterdir())

        writer.kill()
        writer.wait()
        write_whole(target, "second")
        assert [target] == list(tmp_path.iterdir())
    assert target.read_text() == "second"


def test_a_file_keeps_the_permissions_it_was_given(tmp_path: Path) -> None:
    """Results that the user made private are private after the next write."""
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    target.chmod(0o600)

    write_whole(target, "new")

    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_full_disk_is_told_in_a_sentence_and_the_old_file_stays(tmp_path: Path) -> None:
    """The kernel's limit for file sizes stands in for the disk here; the error is handled alike."""
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with DraftFile(target) as draft:
            draft.add(b"x" * (1 << 18))
            with pytest.raises(UserError, match="cannot be written: file too large") as caught:
                draft.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)

    assert "make room" in caught.value.fix
    assert target.read_text() == "old"
    assert [target] == list(tmp_path.iterdir())


def test_a_place_that_is_no_place_for_a_file_is_refused(tmp_path: Path) -> None:
    """Links are not followed, devices and folders are not replaced."""
    real = tmp_path / "real.jsonl"
    real.write_text("precious")
    link, pipe = tmp_path / "link.jsonl", tmp_path / "pipe"
    link.symlink_to(real)
    os.mkfifo(pipe)

    for target, words in (
        (link, "symbolic link"),
        (pipe, "not a plain file"),
        (Path("/dev/null"), "not a plain file"),
        (tmp_path / "missing" / "out.jsonl", "does not exist"),
    ):
        with pytest.raises(UserError, match=words):
            check_place(target)
    with pytest.raises(UserError, match="symbolic link"):
        write_whole(link, "other")
    with pytest.raises(UserError, match="is a folder"):
        paths(tmp_path)

    assert real.read_text() == "precious"
