"""Files that were not written whole, or were joined: the finding is at the spot, and its command mends it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from runner.cli.main import call

if TYPE_CHECKING:
    from pathlib import Path

A: Final = b'{"id": "a", "model": "grok-4.3", "prompt": "hi"}'
B: Final = A.replace(b'"a"', b'"b"')
C: Final = A.replace(b'"a"', b'"c"')
BOM: Final = b"\xef\xbb\xbf"


class Broken(NamedTuple):
    """A file, and where it is broken; `left` are the jobs that the cure leaves."""

    content: bytes
    line: int
    code: str
    left: int = 2


BROKEN: Final = {
    "a tail of NUL bytes": Broken(A + b"\n" + B + b"\n" + bytes(4096), 3, "nul-bytes"),
    "NUL bytes between": Broken(A + b"\n" + bytes(512) + B + b"\n", 2, "nul-bytes"),
    "NUL bytes first": Broken(bytes(512) + A + b"\n" + B + b"\n", 1, "nul-bytes"),
    "joined with a mark": Broken(BOM + A + b"\n" + BOM + B + b"\n", 2, "invalid-json"),
    "carriage returns in the middle": Broken(A + b"\n" + B + b"\r" + C + b"\n", 2, "invalid-json", 3),
}


def test_many_lines_with_one_cure_are_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file in Windows-1252: the first line, how many are like it, and what is wrong elsewhere."""
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    lines = [A.replace(b"hi", b"caf\xe9"), *(b'{"prompt": "\xe9%d"}' % n for n in range(40)), b"{oops"]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))

    assert call(["load", "in.jsonl"]) == 3
    told = capsys.readouterr().err
    assert "42 bad lines" in told
    assert told.count("[not-utf8]") == told.count("[invalid-json]") == 1
    assert "does not fit there, as on 40 other lines [not-utf8]; " in told
    assert "… and" not in told


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_mended_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """One finding, at its line; what is left after the command are good lines."""
    broken = BROKEN[name]
    monkeypatch.setenv("RUNNER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_bytes(broken.content)

    assert call(["check", "in.jsonl", "--json"]) == 3
    (found,) = json.loads(capsys.readouterr().out)["bad"]["shown"]
    assert (found["line"], found["code"]) == (broken.line, broken.code)
    command = found["fix"].rpartition(": ")[2]
    assert subprocess.run(command, shell=True, check=False, timeout=60).returncode == 0, command
    assert call(["check", "in.new.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["jobs"] == broken.left
