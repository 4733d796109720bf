"""Files appear whole or not at all, compressed where their names say so, and errors are sentences."""

from __future__ import annotations

import gzip
import hashlib
import os
import resource
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runner.rules.errors import UserError
from runner.tables.draft_file import DraftFile, publish, write_whole
from runner.tables.file_place import check_place

HANGS_IN_A_DRAFT = """
import sys, time
from pathlib import Path
from runner.tables.draft_file import DraftFile
with DraftFile(Path(sys.argv[1])) as draft:
    draft.add(b"half a line")
    draft.finish()
    print("writing", flush=True)
    time.sleep(60)
"""

AGAIN_AND_AGAIN = """
import sys
from pathlib import Path
from runner.tables.draft_file import write_whole
for number in range(1_000):
    write_whole(Path(sys.argv[1]), str(number))
"""


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


def test_commands_that_write_the_same_file_at_once_take_no_draft_from_each_other(tmp_path: Path) -> None:
    """A draft that was made and is not locked yet looks like one that a crash has left."""
    target = tmp_path / "out.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", AGAIN_AND_AGAIN, str(target)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    ends = [(writer.communicate()[1].decode()[-200:], writer.returncode) for writer in writers]

    assert ends == [("", 0)] * 4
    assert [*tmp_path.iterdir()] == [target]


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
        (real / "out.jsonl", "is a file, not a folder"),
    ):
        with pytest.raises(UserError, match=words):
            check_place(target)
    with pytest.raises(UserError, match="symbolic link"):
        write_whole(link, "other")
    with pytest.raises(UserError, match="is a folder"):
        check_place(tmp_path)

    assert real.read_text() == "precious"


def test_a_name_that_ends_with_gz_is_compressed(tmp_path: Path) -> None:
    """The facts are those of the file on disk, the lines those in it; the same lines make the same bytes."""
    lines = [b"line %d\n" % number for number in range(300_000)]  # more than one write
    found = []
    for name in ("a.jsonl.gz", "b.jsonl.GZ"):
        target = tmp_path / name
        with DraftFile(target) as draft:
            draft.add(b"dropped")
            draft.restart()
            for line in lines:
                draft.add(line)
            facts = draft.finish()
            publish([draft])
        stored = target.read_bytes()
        assert gzip.decompress(stored) == b"".join(lines)
        assert (facts.bytes, facts.lines) == (len(stored), len(lines))
        assert facts.sha256 == hashlib.sha256(stored).hexdigest()
        found.append(stored)
    assert found[0] == found[1]
    assert found[0][4:8] == bytes(4)  # no time


def test_no_lines_are_an_empty_file_in_gzip(tmp_path: Path) -> None:
    """Which zcat takes; a file of 0 bytes it would not."""
    with DraftFile(tmp_path / "a.gz") as draft:
        assert draft.finish().lines == 0
        publish([draft])
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b""


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_a_name_is_too_long_where_its_draft_would_be(tmp_path: Path, letter: str) -> None:
    """It is measured in bytes, as the system does; the longest that is taken can be written."""
    letters = 233 // len(letter.encode())
    write_whole(tmp_path / (letter * letters), "text")
    with pytest.raises(UserError, match=r"is too long: 23[45] bytes, at most 233 fit") as caught:
        check_place(tmp_path / (letter * (letters + 1)))
    assert "shorter name with -o" in caught.value.fix


def test_a_folder_or_a_path_is_too_long(tmp_path: Path) -> None:
    """Before it is asked for: the system would answer in its own words."""
    for path in (tmp_path / ("f" * 256) / "out", Path("/", *["f" * 200] * 21, "out")):
        with pytest.raises(UserError, match="is too long"):
            check_place(path)


@pytest.mark.parametrize("name", ["a\nb.jsonl", "-o.jsonl", 'it\'s "so".jsonl', "-"])
def test_an_unusual_name_is_a_name(tmp_path: Path, name: str) -> None:
    """It needs no cure."""
    write_whole(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_each_cure_can_be_typed(tmp_path: Path) -> None:
    """A folder is named as a shell reads it, a link by the file it leads to, a device by way of stdout."""
    folder = tmp_path / "two words"
    link, dangling, device = tmp_path / "link", tmp_path / "dangling", tmp_path / "device"
    real = tmp_path / "it's.jsonl"
    link.symlink_to(real)
    real.touch()
    dangling.symlink_to(tmp_path / "nowhere")
    device.symlink_to("/dev/null")
    cures = {
        folder / "out": f"mkdir -p {shlex.quote(str(folder))}",
        link: f"-o {shlex.quote(str(real))};",
        dangling: f"-o {tmp_path / 'nowhere'};",
        device: f"-o - > {device}",
        Path("/dev/null"): "-o - > /dev/null",
    }
    for path, cure in cures.items():
        with pytest.raises(UserError) as caught:
            check_place(path)
        assert cure in caught.value.fix
    with pytest.raises(UserError) as caught:
        check_place(Path("/dev/null"), "--save")
    assert "-o" not in caught.value.fix


def test_a_finished_draft_takes_a_free_name_only(tmp_path: Path) -> None:
    """What has the name stays, also a link that leads nowhere."""
    target, link = tmp_path / "out", tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with DraftFile(tmp_path / "first") as draft:
        draft.add(b"new")
        draft.finish()
        assert not draft.publish_new(link)
        assert draft.publish_new(target)
    with DraftFile(tmp_path / "first") as draft:
        draft.finish()
        assert not draft.publish_new(target)
    assert target.read_bytes() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "link"}
